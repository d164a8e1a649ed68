//! As much of `helm template` as this chart needs: Go's templates, and the functions that Helm
//! adds.
//!
//! Stricter than Helm in one thing: a value that nobody has is an error.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use gtmpl::{Context, FuncError, Template};
use gtmpl_value::{Func, Value as Any};
use serde_json::{Value, json};

use crate::{path, yaml};

const CHART: &str = "deploy/helm/peregrine";

/// What Helm adds to Go's functions, as far as the chart uses it.
const FUNCTIONS: [(&str, Func); 17] = [
    ("contains", |args| Ok(text(args, 1)?.contains(&text(args, 0)?).into())),
    ("default", |args| Ok(args[usize::from(is_filled(&args[1]))].clone())),
    ("dig", dig),
    ("empty", |args| Ok((!is_filled(&args[0])).into())),
    ("fail", |args| Err(FuncError::Generic(text(args, 0)?))),
    ("hasKey", |args| Ok(json(&args[0]).get(text(args, 1)?).is_some().into())),
    ("hasSuffix", |args| Ok(text(args, 1)?.ends_with(&text(args, 0)?).into())),
    ("include", include),
    ("int", |args| Ok(text(args, 0)?.parse::<i64>().unwrap_or_default().into())),
    ("nindent", |args| Ok(format!("\n{}", indented(args)?).into())),
    ("quote", |args| Ok(Value::from(text(args, 0)?).to_string().into())),
    ("replace", |args| Ok(text(args, 2)?.replace(&text(args, 0)?, &text(args, 1)?).into())),
    ("sha256sum", |args| Ok(digest(&text(args, 0)?).into())),
    ("ternary", |args| Ok(args[usize::from(!is_filled(&args[2]))].clone())),
    ("toYaml", |args| Ok(written(&json(&args[0]), 0).trim_start().into())),
    ("trimSuffix", |args| {
        let (suffix, whole) = (text(args, 0)?, text(args, 1)?);
        Ok(whole.strip_suffix(&suffix).unwrap_or(&whole).into())
    }),
    ("trunc", |args| {
        let most = text(args, 0)?.parse().unwrap_or_default();
        Ok(text(args, 1)?.chars().take(most).collect::<String>().into())
    }),
];

thread_local! {
    /// The files of the chart's `templates`, by name: `include` is a plain function and finds them
    /// nowhere else.
    static FILES: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
}

/// Renders every file of the chart with values of an operator's; returns each file's text, or why
/// the chart refuses the values.
pub(crate) fn texts(own: &Value) -> Result<BTreeMap<String, String>, String> {
    let folder = path(CHART).join("templates");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = files.map(|file| {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(file).unwrap())
    });
    FILES.replace(files.collect());
    let chart = read("Chart.yaml");
    let mut values = read("values.yaml");
    merge(&mut values, own);
    let root = any(&json!({
        "Values": values,
        "Chart": {
            "Name": chart["name"], "Version": chart["version"], "AppVersion": chart["appVersion"],
        },
        "Release": {"Name": "push", "Namespace": "matrix", "Service": "Helm"},
        "Template": {"BasePath": "peregrine/templates"},
    }));
    let names: Vec<String> = FILES.with_borrow(|files| files.keys().cloned().collect());
    let whole = names.into_iter().filter(|name| !name.starts_with('_'));
    whole
        .map(|name| {
            let text = include(&[format!("peregrine/templates/{name}").into(), root.clone()]);
            text.map(|text| (name, text.to_string()))
        })
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// Renders the chart; returns every object by kind and name.
pub(crate) fn objects(own: &Value) -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    for (name, text) in texts(own).unwrap_or_else(|error| panic!("{error}")) {
        if name == "NOTES.txt" {
            continue;
        }
        for object in yaml::documents(&name, &text) {
            if object.is_null() {
                continue;
            }
            let kind = object["kind"].as_str().unwrap_or_else(|| panic!("{name}: {text}"));
            let key = format!("{kind} {}", object["metadata"]["name"].as_str().unwrap());
            let before = objects.insert(key, object);
            assert!(before.is_none(), "{name}: an object that is there already");
        }
    }
    objects
}

/// Reads a YAML file of the chart.
pub(crate) fn read(name: &str) -> Value {
    yaml::document(name, &crate::read(&format!("{CHART}/{name}")))
}

/// Lays an operator's values over the chart's, as Helm does: `null` removes.
fn merge(values: &mut Value, own: &Value) {
    for (key, own) in own.as_object().unwrap() {
        let values = values.as_object_mut().unwrap();
        match values.get_mut(key) {
            _ if own.is_null() => {
                values.remove(key);
            }
            Some(value) if value.is_object() && own.is_object() => merge(value, own),
            _ => {
                values.insert(key.clone(), own.clone());
            }
        }
    }
}

/// Renders what a file or a `define` says.
fn include(args: &[Any]) -> Result<Any, FuncError> {
    let name = text(args, 0)?;
    let mut template = Template::with_name("included");
    template.add_funcs(&FUNCTIONS);
    let said = |error: &dyn std::fmt::Display| FuncError::Generic(format!("{name}: {error}"));
    let whole = FILES.with_borrow(|files| {
        let helpers = &files["_helpers.tpl"];
        let file = name.rsplit_once('/').map(|(_, file)| &files[file]);
        // What stands around the definitions is nothing.
        let body = file.cloned().unwrap_or(format!(r#"{{{{ template "{name}" . }}}}"#));
        format!("{{{{- /* */ -}}}}{}{body}", helpers.trim_end())
    });
    template.parse(whole).map_err(|error| said(&error))?;
    let context = Context::from(args[1].clone());
    let text = template.render(&context).map_err(|error| said(&error))?;
    let text = text.trim_start_matches('\n');
    Ok(text.into())
}

/// Looks for a value behind keys: `dig "a" "b" DEFAULT MAP`.
fn dig(args: &[Any]) -> Result<Any, FuncError> {
    let (keys, [default, map]) = args.split_at(args.len() - 2) else {
        return Err(FuncError::Generic("dig takes keys, a default and a map".into()));
    };
    let mut found = json(map);
    for at in 0..keys.len() {
        match found.get(text(keys, at)?) {
            Some(value) => found = value.clone(),
            None => return Ok(default.clone()),
        }
    }
    Ok(any(&found))
}

fn digest(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let mut written = String::new();
    for byte in digest.as_ref() {
        write!(written, "{byte:02x}").unwrap();
    }
    written
}

fn indented(args: &[Any]) -> Result<String, FuncError> {
    let spaces = " ".repeat(text(args, 0)?.parse().unwrap_or_default());
    let text = text(args, 1)?;
    let lines: Vec<_> = text.lines().map(|line| format!("{spaces}{line}")).collect();
    Ok(lines.join("\n"))
}

/// Returns an argument as text.
fn text(args: &[Any], number: usize) -> Result<String, FuncError> {
    let missing = || FuncError::AtLeastXArgs("a function".into(), number + 1);
    Ok(match args.get(number).ok_or_else(missing)? {
        Any::String(text) => text.clone(),
        Any::Nil | Any::NoValue => String::new(),
        other => other.to_string(),
    })
}

/// Returns whether Go takes a value for true.
fn is_filled(value: &Any) -> bool {
    match json(value) {
        Value::Null => false,
        Value::Bool(value) => value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn any(value: &Value) -> Any {
    match value {
        Value::Null => Any::Nil,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => number.as_i64().unwrap().into(),
        Value::String(text) => text.clone().into(),
        Value::Array(list) => Any::Array(list.iter().map(any).collect()),
        Value::Object(map) => {
            Any::Object(map.iter().map(|(key, value)| (key.clone(), any(value))).collect())
        }
    }
}

fn json(value: &Any) -> Value {
    match value {
        Any::Bool(value) => (*value).into(),
        Any::Number(number) => number.as_i64().map_or(Value::Null, Value::from),
        Any::String(text) => text.clone().into(),
        Any::Array(list) => list.iter().map(json).collect(),
        Any::Object(map) | Any::Map(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            Value::Object(sorted.into_iter().map(|(key, it)| (key.clone(), json(it))).collect())
        }
        _ => Value::Null,
    }
}

/// Writes block YAML; lists and maps that hold something begin on a new line.
fn written(value: &Value, depth: usize) -> String {
    let spaces = "  ".repeat(depth);
    let below = |value: &Value| {
        let gap = if is_block(value) { "" } else { " " };
        format!("{gap}{}", written(value, depth + 1))
    };
    let mut lines = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let key = Value::from(key.as_str());
                write!(lines, "\n{spaces}{key}:{}", below(value)).unwrap();
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                write!(lines, "\n{spaces}-{}", below(value)).unwrap();
            }
        }
        flat => lines = flat.to_string(),
    }
    lines
}

fn is_block(value: &Value) -> bool {
    value.as_object().is_some_and(|map| !map.is_empty())
        || value.as_array().is_some_and(|list| !list.is_empty())
}
