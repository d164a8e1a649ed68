//! YAML text to a tree that knows where everything stands.
//!
//! Aliases are resolved here, within bounds; merge keys, variables and the types of plain scalars
//! come later, in `document`. The only file that knows the YAML crate.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::report::{Finding, Span};

/// Deepest nesting, aliases included. The deepest key of ours is at six.
const MAX_DEPTH: usize = 64;

/// Most nodes once every alias is replaced: a few lines of aliases to aliases could ask for more
/// than fits in memory.
const MAX_NODES: usize = 100_000;

/// One value of the text.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it stands; for an alias, where its anchor does.
    pub(super) at: Span,
    /// What it is.
    pub(super) content: Content,
    depth: usize,
    nodes: usize,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Content {
    /// Text without its quotes; `plain` if what it looks like decides its type.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Rc<Node>>),
    /// Keys and values in the order of the text; a key can be there twice.
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

impl Node {
    fn new(at: Span, content: Content) -> Self {
        let (mut depth, mut nodes) = (0, 0_usize);
        let mut count = |child: &Node| {
            depth = depth.max(child.depth);
            nodes = nodes.saturating_add(child.nodes);
        };
        match &content {
            Content::Scalar { .. } => {}
            Content::List(items) => items.iter().for_each(|item| count(item)),
            Content::Mapping(pairs) => pairs.iter().for_each(|(key, value)| {
                count(key);
                count(value);
            }),
        }
        Self { at, content, depth: depth + 1, nodes: nodes.saturating_add(1) }
    }
}

/// Reads the one document of a text; `None` if the text has none.
pub(super) fn parse(text: &str) -> Result<Option<Rc<Node>>, Finding> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| scan_error(&error))?;
        let length = if span.start.line() == span.end.line() { span.len() } else { 1 };
        builder.take(event, span_at(&span.start, length))?;
    }
    Ok(builder.document)
}

/// Builds nodes from the parser's events.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    document: Option<Rc<Node>>,
    documents: usize,
}

/// A list or mapping whose end has not come yet.
struct Open {
    at: Span,
    anchor: usize,
    children: Vec<Rc<Node>>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Span) -> Result<(), Finding> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let instead = "remove the `---` here and what follows it";
                    return Err(Finding::syntax(at, "a second YAML document begins", instead));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = is_plain(style, tag.as_deref(), at)?;
                let text = text.into_owned();
                self.add(Node::new(at, Content::Scalar { text, plain }).into(), anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => self.add(node.clone(), 0),
                None => Err(Finding::syntax(
                    at,
                    "this alias stands within its own anchor",
                    "write the value out",
                )),
            },
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
                    return Err(unknown_tag(&tag, at));
                }
                let children = Vec::new();
                self.open.push(Open { at, anchor, children });
                Ok(())
            }
            Event::SequenceEnd => self.close(Content::List),
            Event::MappingEnd => self.close(|children| {
                let mut children = children.into_iter();
                let mut pairs = Vec::with_capacity(children.len() / 2);
                while let (Some(key), Some(value)) = (children.next(), children.next()) {
                    pairs.push((key, value));
                }
                Content::Mapping(pairs)
            }),
        }
    }

    fn close(&mut self, content: impl FnOnce(Vec<Rc<Node>>) -> Content) -> Result<(), Finding> {
        match self.open.pop() {
            Some(open) => {
                let node = Node::new(open.at, content(open.children));
                self.add(node.into(), open.anchor)
            }
            None => Ok(()),
        }
    }

    fn add(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Finding> {
        if self.open.len() + node.depth > MAX_DEPTH {
            let what = format!("this is nested deeper than {MAX_DEPTH} levels");
            return Err(Finding::syntax(node.at, what, ""));
        }
        if node.nodes > MAX_NODES {
            let what = format!("the aliases in here make more than {MAX_NODES} values");
            return Err(Finding::syntax(node.at, what, ""));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.document = Some(node),
        }
        Ok(())
    }
}

/// Whether a scalar's type is found by what it looks like.
fn is_plain(style: ScalarStyle, tag: Option<&Tag>, at: Span) -> Result<bool, Finding> {
    match tag {
        None => Ok(style == ScalarStyle::Plain),
        Some(tag) if tag.is_yaml_core_schema() => Ok(tag.suffix != "str"),
        // `! text` is text.
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(false),
        Some(tag) => Err(unknown_tag(tag, at)),
    }
}

fn unknown_tag(tag: &Tag, at: Span) -> Finding {
    let what = format!("the YAML tag `{tag}` has no meaning here");
    Finding::syntax(at, what, "remove it, and write the value itself")
}

fn span_at(marker: &Marker, length: usize) -> Span {
    Span { line: marker.line(), column: marker.col() + 1, length: length.max(1) }
}

/// Words the scanner's message so that it says what to do.
fn scan_error(error: &ScanError) -> Finding {
    let info = error.info();
    let instead = if info.contains("tab") {
        "indent with spaces"
    } else if info.contains("anchor") || info.contains("alias") {
        "put text that begins with `*` or `&` in quotes"
    } else if info.contains("unexpected character") || info.contains("tag") {
        "put text that begins with a special character in quotes"
    } else if info.contains("mapping values") {
        "put text that has `: ` in it in quotes, else indent this line like its neighbours"
    } else if info.contains("quoted scalar") {
        "check the quotes; within \"…\" a backslash is written twice"
    } else {
        "check the indentation and the brackets of this line and of the one before"
    };
    Finding::syntax(span_at(error.marker(), 1), format!("this is not YAML: {info}"), instead)
}
