//! Where the server is, and the other options of the client: made of what whoever runs the program, the program, and its
//! configuration say, in this order. See docs/MIGRATING.md.

use std::path::Path;

use serde_json::{Map, Value, json};

/// The address of the server, for whoever runs a program that cannot be changed: `tim://host[:port]`.
pub const SERVER_VARIABLE: &str = "TIM_PRESENCE_SERVER";
/// More options of the client (docs/C_API.md, "Options of a client"): a JSON object.
pub const OPTIONS_VARIABLE: &str = "TIM_PRESENCE_OPTIONS";
/// Key of TIMInit's configuration: the address of the server.
pub const SERVER_KEY: &str = "sdk_config_server";
/// Key of TIMInit's configuration: more options of the client, an object.
pub const OPTIONS_KEY: &str = "sdk_config_options";

/// Key of TIMInit's configuration, the original's: a folder for what is kept.
const FOLDER_KEY: &str = "sdk_config_config_file_path";
/// Our own folder in it.
const OUR_FOLDER: &str = "tim-presence";

const NO_ADDRESS: &str = "there is no server address: set the environment variable TIM_PRESENCE_SERVER to \
    tim://host[:port], or give TIMInit \"sdk_config_server\", or call internal_operation_set_custom_server_info before \
    TIMInit";

/// What is known when TIMInit is called.
pub struct Known<'a> {
    /// The app (R1.1).
    pub sdk_app_id: u64,
    /// The JSON given to TIMInit. Keys that mean nothing here are passed over, as the original does.
    pub config: &'a Map<String, Value>,
    /// From internal_operation_set_custom_server_info.
    pub custom_server: Option<&'a str>,
    /// TIMSetConfig did not switch storage off.
    pub storage: bool,
    /// The environment; `""` is as good as unset.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// The options of a client, as JSON.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// All of them.
    pub json: String,
    /// A folder in them that the program did not give for this, and can be done without.
    pub folder: Option<Folder>,
}

/// See [`Options::folder`].
#[derive(Debug, PartialEq, Eq)]
pub struct Folder {
    /// For a person.
    pub path: String,
    /// The options without it.
    pub json_without: String,
}

/// Makes the options; the text says what is missing or wrong.
pub fn options(known: &Known<'_>) -> Result<Options, String> {
    let variable = |name| (known.variable)(name).filter(|text| !text.is_empty());
    let mut options = match known.config.get(OPTIONS_KEY) {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(options)) => options.clone(),
        Some(_) => return Err(format!("\"{OPTIONS_KEY}\" of TIMInit is not a JSON object")),
    };
    if let Some(text) = variable(OPTIONS_VARIABLE) {
        match serde_json::from_str(&text) {
            Ok(Value::Object(more)) => options.extend(more),
            _ => return Err(format!("{OPTIONS_VARIABLE} is not a JSON object")),
        }
    }
    let configured = match known.config.get(SERVER_KEY) {
        None | Some(Value::Null) => None,
        Some(Value::String(server)) => Some(server.clone()),
        Some(_) => return Err(format!("\"{SERVER_KEY}\" of TIMInit is not a text")),
    };
    let server = variable(SERVER_VARIABLE)
        .or_else(|| known.custom_server.map(str::to_owned))
        .or(configured);
    if let Some(server) = server {
        options.insert("server".into(), server.into());
    }
    if !options.contains_key("server") {
        return Err(NO_ADDRESS.to_owned());
    }
    options.insert("sdk_app_id".into(), known.sdk_app_id.into());
    options.insert("delivery".into(), "poll".into());
    let without_folder = json!(options).to_string();
    let folder = known.config.get(FOLDER_KEY).and_then(Value::as_str);
    match folder {
        Some(folder) if known.storage && !folder.is_empty() && !options.contains_key("data_dir") => {
            let path = Path::new(folder).join(OUR_FOLDER).to_string_lossy().into_owned();
            options.insert("data_dir".into(), path.clone().into());
            Ok(Options {
                json: json!(options).to_string(),
                folder: Some(Folder {
                    path,
                    json_without: without_folder,
                }),
            })
        }
        _ => Ok(Options {
            json: without_folder,
            folder: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(
        config: Value,
        custom_server: Option<&str>,
        environment: &[(&str, &str)],
    ) -> Result<Options, String> {
        let variable = |name: &str| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        options(&Known {
            sdk_app_id: 7,
            config: config.as_object().unwrap(),
            custom_server,
            storage: true,
            variable: &variable,
        })
    }

    fn server(made: Result<Options, String>) -> String {
        let options: Value = serde_json::from_str(&made.unwrap().json).unwrap();
        options["server"].as_str().unwrap().to_owned()
    }

    #[test]
    fn who_runs_the_program_comes_before_the_program_and_its_configuration() {
        let config = json!({SERVER_KEY: "tim://configured"});
        let variable = [(SERVER_VARIABLE, "tim://variable")];
        assert_eq!(
            server(made(config.clone(), Some("tim://knob"), &variable)),
            "tim://variable"
        );
        assert_eq!(
            server(made(config.clone(), Some("tim://knob"), &[])),
            "tim://knob"
        );
        assert_eq!(
            server(made(config.clone(), None, &[(SERVER_VARIABLE, "")])),
            "tim://configured"
        );
        let in_options = [(OPTIONS_VARIABLE, r#"{"server":"tim://options"}"#)];
        assert_eq!(server(made(json!({}), None, &in_options)), "tim://options");
        assert!(made(json!({}), None, &[]).unwrap_err().contains(SERVER_VARIABLE));
    }

    #[test]
    fn more_options_reach_the_client_and_its_own_cannot_be_changed() {
        let config =
            json!({OPTIONS_KEY: {"queue_max": 5, "platform": "iPad", "delivery": "thread", "sdk_app_id": 1}});
        let environment = [
            (SERVER_VARIABLE, "tim://h"),
            (OPTIONS_VARIABLE, r#"{"queue_max":6}"#),
        ];
        let options: Value = serde_json::from_str(&made(config, None, &environment).unwrap().json).unwrap();
        let expected = json!({"server": "tim://h", "sdk_app_id": 7, "delivery": "poll", "queue_max": 6, "platform": "iPad"});
        assert_eq!(options, expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong =
            |config, environment: &[(&str, &str)]| made(config, Some("tim://h"), environment).unwrap_err();
        assert!(wrong(json!({OPTIONS_KEY: 5}), &[]).contains(OPTIONS_KEY));
        assert!(wrong(json!({SERVER_KEY: 5}), &[]).contains(SERVER_KEY));
        assert!(wrong(json!({}), &[(OPTIONS_VARIABLE, "[]")]).contains(OPTIONS_VARIABLE));
    }

    #[test]
    fn the_programs_folder_holds_ours_unless_it_wants_no_storage() {
        let config = json!({FOLDER_KEY: "/var/lib/app"});
        let with = made(config.clone(), Some("tim://h"), &[]).unwrap();
        assert!(with.json.contains("/var/lib/app/tim-presence"));
        assert!(!with.folder.unwrap().json_without.contains("data_dir"));
        let known = Known {
            sdk_app_id: 7,
            config: config.as_object().unwrap(),
            custom_server: Some("tim://h"),
            storage: false,
            variable: &|_| None,
        };
        assert!(!options(&known).unwrap().json.contains("data_dir"));
    }
}
