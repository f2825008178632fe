//! The search engine's values as the JSON that the model and the workers speak.

use serde_json::Value as Json;
use tuner::{Params, Value};

/// One value, its type kept: a float stays a float.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(boolean) => Json::from(*boolean),
        Value::Int(integer) => Json::from(*integer),
        Value::Float(number) => Json::from(*number),
        Value::Text(text) => Json::from(text.as_str()),
    }
}

/// A configuration as a JSON object, in the order of the space.
pub fn to_object(params: &Params) -> serde_json::Map<String, Json> {
    params.iter().map(|(name, value)| (name.to_owned(), to_json(value))).collect()
}
