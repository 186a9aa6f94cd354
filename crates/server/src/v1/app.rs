//! An app's settings (R7.2–R7.6).

use presence::settings::AppSettings;
use presence_node::options::{self, APP, Value as Given};
use serde_json::{Map, Value, json};

use super::{Answer, Call, Failure};
use crate::live::{ChangeError, changes};

pub fn get(call: &Call<'_>) -> Answer {
    call.only(&[])?;
    Ok(Some(shown(call, &call.administrator.live.settings)))
}

/// Changes the settings named, all or none.
pub async fn patch(call: &Call<'_>) -> Answer {
    call.only(&[])?;
    let wanted: Map<String, Value> = call.read()?;
    let change = |settings: &mut AppSettings| {
        let mut refused = Vec::new();
        for (key, value) in &wanted {
            if let Err(error) = options::set(APP, settings, key, given(value)) {
                refused.push(error.to_string());
            }
        }
        if refused.is_empty() { Ok(()) } else { Err(refused) }
    };
    let id = call.administrator.app;
    let changed = call.service.live.change(&call.service.admin, id, change).await;
    let (was, is) = changed.map_err(|error| match error {
        ChangeError::Refused(_) | ChangeError::NoSuchApp => Failure::bad_request(error.to_string()),
        ChangeError::Conflicts(_) => Failure::conflict(error.to_string()),
        ChangeError::Unavailable => presence_node::Unavailable.into(),
    })?;
    for change in changes(&was, &is) {
        let by = call.administrator.user;
        tracing::info!(app = %id, setting = change.key, was = change.was, is = change.is, %by, "setting changed");
    }
    Ok(Some(shown(call, &is)))
}

fn shown(call: &Call<'_>, settings: &AppSettings) -> Value {
    let settings: Map<String, Value> = APP
        .iter()
        .map(|setting| {
            let text = setting.text(settings);
            // As JSON writes it: a number, true or false, or a word in quotes.
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            (setting.key.to_owned(), value)
        })
        .collect();
    json!({"sdk_app_id": call.administrator.app.get(), "settings": settings})
}

fn given(value: &Value) -> Given<'_> {
    match value {
        Value::Bool(on) => Given::Bool(*on),
        Value::Number(number) => match number.as_i64().or_else(|| whole(number.as_f64()?)) {
            Some(number) => Given::Integer(number),
            None => Given::Other("a number with a fraction, or that large"),
        },
        Value::String(text) => Given::Text(text),
        Value::Null => Given::Other("null"),
        Value::Array(_) => Given::Other("a list"),
        Value::Object(_) => Given::Other("an object"),
    }
}

/// JSON has one kind of number: 20.0 is 20.
fn whole(number: f64) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0; // 2^53
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i64)
}
