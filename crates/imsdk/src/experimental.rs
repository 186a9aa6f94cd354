//! `callExperimentalAPI`: operations named in JSON. Those of use here are carried out; the original's others are answered
//! with 7013; what nobody knows is refused at the call.

use std::ffi::c_int;

use presence_protocol::errors::code;
use serde_json::{Map, Value};

use crate::answer::{Answer, Empty};
use crate::callback_thread::lock;
use crate::guard::{Reply, result};
use crate::json;
use crate::listeners::log_level;
use crate::process::process;
use crate::sdk::{self, answer};

const OPERATION: &str = "request_internal_operation";
const PREFIX: &str = "internal_operation_";

/// The original's operations that do not exist here, without their prefix.
const KNOWN: &[&str] = &[
    "sso_data",
    "userid_tinyid",
    "tinyid_userid",
    "set_env",
    "set_ipv6_prior",
    "set_max_retry_count",
    "set_packet_request_timeout",
    "enable_quic_channel",
    "set_sm4_gcm_callback",
    "init_local_storage",
    "set_cos_save_region_for_conversation",
    "set_database_encrypt_info",
    "is_commercial_ability_enabled",
    "set_offline_push_state",
    "get_offline_push_state",
    "get_message_revoker",
    "clear_local_history_message",
    "update_proxy_info",
    "report_tuicomponent_usage",
    "send_trtc_custom_data",
    "send_room_custom_data",
    "set_application_id",
    "get_server_config",
    "start_message_long_polling",
    "stop_message_long_polling",
    "find_merger_messages",
    "get_brief_group_member_list",
    "disable_crash_report",
    "disable_http_request",
    "set_custom_login_info",
    "set_log_setting",
    "set_network_info",
];

/// Carries an operation out. As with the original, the callback is not called by `set_custom_server_info`,
/// `set_ui_platform` and `write_log`.
pub fn call(text: &[u8], reply: Reply) -> Result<(), c_int> {
    let request = json::object(text).map_err(|_| result::ERR_JSON)?;
    let operation = request
        .get(OPERATION)
        .and_then(Value::as_str)
        .and_then(|name| name.strip_prefix(PREFIX))
        .ok_or(result::ERR_JSON)?;
    match operation {
        "set_custom_server_info" => set_custom_server(&request),
        // Tells the original's statistics what the user interface is made with. There are none here.
        "set_ui_platform" => Ok(()),
        "write_log" => write_log(&request),
        "set_ignore_repeat_login" => set_ignore_repeat_login(&request, reply),
        known if KNOWN.contains(&known) => answer(
            reply,
            Answer::failure(
                code::INTERFACE_NOT_SUPPORTED,
                format!(
                    "callExperimentalAPI: {PREFIX}{known} is not in tim-presence, which has user status only"
                ),
                Empty::Nothing,
            ),
        ),
        _ => Err(result::ERR_JSON),
    }
}

/// For the next TIMInit: the first address that is not QUIC's, which the server does not speak.
fn set_custom_server(request: &Map<String, Value>) -> Result<(), c_int> {
    let addresses = request
        .get("request_set_custom_server_info_param")
        .and_then(|param| param.get("longconnection_address_array"))
        .and_then(Value::as_array)
        .ok_or(result::ERR_JSON)?;
    let server = addresses.iter().find_map(server_of).ok_or(result::ERR_PARAM)?;
    lock(&process().settings).custom_server = Some(server);
    Ok(())
}

/// `tim://host:port` of a ServerAddress. `server_address_ip` may also be a whole address with another scheme (`tims://…`).
fn server_of(address: &Value) -> Option<String> {
    let is = |key| address.get(key).and_then(Value::as_bool).unwrap_or(false);
    let host = address.get("server_address_ip")?.as_str()?;
    if host.is_empty() || is("server_address_is_quic") {
        return None;
    }
    let (scheme, host) = host.split_once("://").unwrap_or(("tim", host));
    let bare_ipv6 = host.contains(':') && host.parse::<std::net::Ipv6Addr>().is_ok();
    let host = if bare_ipv6 {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    match address.get("server_address_port") {
        None => Some(format!("{scheme}://{host}")),
        Some(port) => {
            let port = port.as_u64().and_then(|port| u16::try_from(port).ok())?;
            (port > 0).then(|| format!("{scheme}://{host}:{port}"))
        }
    }
}

/// To the log callback, which is where this library's own records go.
fn write_log(request: &Map<String, Value>) -> Result<(), c_int> {
    let level = request
        .get("request_write_log_log_level_param")
        .and_then(Value::as_i64)
        .and_then(|level| c_int::try_from(level).ok())
        .unwrap_or(log_level::INFO);
    if let Some(content) = request
        .get("request_write_log_log_content_param")
        .and_then(Value::as_str)
    {
        sdk::log(process(), level, content);
    }
    Ok(())
}

/// Logging the same user in again changes nothing here, ever (R8.2); so it can be wished for and not be wished away.
fn set_ignore_repeat_login(request: &Map<String, Value>, reply: Reply) -> Result<(), c_int> {
    match request.get("request_set_ignore_repeat_login_param") {
        Some(Value::Bool(true)) => answer(reply, Answer::success("")),
        Some(Value::Bool(false)) => answer(
            reply,
            Answer::failure(
                code::INTERFACE_NOT_SUPPORTED,
                "callExperimentalAPI: internal_operation_set_ignore_repeat_login can only be true",
                Empty::Nothing,
            ),
        ),
        _ => Err(result::ERR_JSON),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_of_the_original_becomes_one_of_ours() {
        for (address, server) in [
            (
                json!({"server_address_ip": "127.0.0.1", "server_address_port": 9999}),
                Some("tim://127.0.0.1:9999"),
            ),
            (
                json!({"server_address_ip": "status.example", "server_address_port": 1}),
                Some("tim://status.example:1"),
            ),
            (
                json!({"server_address_ip": "status.example"}),
                Some("tim://status.example"),
            ),
            (
                json!({"server_address_ip": "::1", "server_address_port": 5, "server_address_is_ipv6": true}),
                Some("tim://[::1]:5"),
            ),
            (
                json!({"server_address_ip": "[::1]", "server_address_port": 5}),
                Some("tim://[::1]:5"),
            ),
            (
                json!({"server_address_ip": "tims://h", "server_address_port": 5}),
                Some("tims://h:5"),
            ),
            (
                json!({"server_address_ip": "h", "server_address_port": 5, "server_address_is_quic": true}),
                None,
            ),
            (json!({"server_address_ip": "", "server_address_port": 5}), None),
            (
                json!({"server_address_ip": "h", "server_address_port": 65536}),
                None,
            ),
            (json!({"server_address_ip": "h", "server_address_port": 0}), None),
            (json!({"server_address_port": 5}), None),
            (json!(5), None),
        ] {
            assert_eq!(server_of(&address).as_deref(), server, "{address}");
        }
    }
}
