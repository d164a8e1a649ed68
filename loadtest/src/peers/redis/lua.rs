//! Scripts in Lua 5.1, with the conversions of Redis between its replies and Lua's values
//! (<https://redis.io/docs/latest/develop/programmability/lua-api/#data-type-conversion>).

use mlua::{Error, Lua, MultiValue, Table, Value};

use super::resp::Reply;
use super::store::Store;

/// Runs scripts.
#[derive(Default)]
pub(super) struct Interpreter(Lua);

impl Interpreter {
    /// Runs a script, which sees only the keys it was given.
    pub(super) fn run(
        &self,
        script: &str,
        keys: &[&[u8]],
        values: &[&[u8]],
        store: &mut Store,
    ) -> Reply {
        let mut run = || -> mlua::Result<Reply> {
            let lua = &self.0;
            let list = |words: &[&[u8]]| -> mlua::Result<Table> {
                let strings: mlua::Result<Vec<_>> =
                    words.iter().map(|word| lua.create_string(word)).collect();
                lua.create_sequence_from(strings?)
            };
            let globals = lua.globals();
            globals.set("KEYS", list(keys)?)?;
            globals.set("ARGV", list(values)?)?;
            lua.scope(|scope| {
                let call = scope.create_function_mut(|lua, words: MultiValue| {
                    let words = words.iter().map(word).collect::<mlua::Result<Vec<_>>>()?;
                    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                    if words.get(1).is_some_and(|key| !keys.contains(key)) {
                        return Err(Error::runtime("Script attempted to access a non local key"));
                    }
                    to_lua(lua, store.call(&words))
                })?;
                let redis = lua.create_table()?;
                redis.set("call", call)?;
                globals.set("redis", redis)?;
                from_lua(lua.load(script).eval()?)
            })
        };
        run().unwrap_or_else(|error| Reply::error(format!("ERR {error}")))
    }
}

fn word(value: &Value) -> mlua::Result<Vec<u8>> {
    match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        Value::Integer(number) => Ok(number.to_string().into_bytes()),
        // Redis before 7 keeps no more digits than this, and the scripts have to live with it.
        Value::Number(number) if number.abs() < 1e14 => Ok(number.to_string().into_bytes()),
        _ => Err(Error::runtime("Lua redis lib command arguments must be strings or integers")),
    }
}

fn to_lua(lua: &Lua, reply: Reply) -> mlua::Result<Value> {
    Ok(match reply {
        Reply::Ok => {
            let status = lua.create_table()?;
            status.set("ok", "OK")?;
            Value::Table(status)
        }
        Reply::Nil => Value::Boolean(false),
        #[expect(clippy::cast_precision_loss, reason = "Lua 5.1 counts in doubles")]
        Reply::Int(number) => Value::Number(number as f64),
        Reply::Bulk(bytes) => Value::String(lua.create_string(bytes)?),
        Reply::Array(replies) => {
            let values = replies.into_iter().map(|it| to_lua(lua, it));
            let values = values.collect::<mlua::Result<Vec<_>>>()?;
            Value::Table(lua.create_sequence_from(values)?)
        }
        Reply::Error(text) => return Err(Error::runtime(text)),
    })
}

fn from_lua(value: Value) -> mlua::Result<Reply> {
    Ok(match value {
        Value::Nil | Value::Boolean(false) => Reply::Nil,
        Value::Boolean(true) => Reply::Int(1),
        Value::Integer(number) => Reply::Int(number),
        #[expect(clippy::cast_possible_truncation, reason = "so does Redis")]
        Value::Number(number) => Reply::Int(number as i64),
        Value::String(text) => Reply::Bulk(text.as_bytes().to_vec()),
        Value::Table(table) => {
            let values = table.sequence_values::<Value>();
            let replies = values.map(|value| from_lua(value?));
            Reply::Array(replies.collect::<mlua::Result<Vec<_>>>()?)
        }
        _ => return Err(Error::runtime("a script cannot return this")),
    })
}
