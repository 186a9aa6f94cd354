//! An event as the original words it: `State.StateChange`. docs/WEBHOOKS.md has the table.

use std::net::IpAddr;

use presence::login::Loss;
use presence_node::DeviceEvent;
use presence_node::engine::Happening;
use serde::Serialize;

/// The command's name, in the URL and in the body.
const COMMAND: &str = "State.StateChange";

/// The fields, in this order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StateChange<'a> {
    callback_command: &'static str,
    /// Milliseconds since the epoch.
    event_time: i64,
    info: Info<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kicked_device: Vec<KickedDevice>,
}

#[derive(Serialize)]
struct Info<'a> {
    #[serde(rename = "Action")]
    action: &'static str,
    #[serde(rename = "To_Account")]
    to_account: &'a str,
    #[serde(rename = "Reason")]
    reason: &'static str,
    #[serde(rename = "CustomStatus", skip_serializing_if = "Option::is_none")]
    custom_status: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KickedDevice {
    platform: &'static str,
}

/// The body of the request.
pub fn body(event: &DeviceEvent) -> Vec<u8> {
    let mut kicked_device = Vec::new();
    let mut custom_status = None;
    let (action, reason) = match &event.what {
        Happening::LoggedIn { kicked } => {
            kicked_device.extend(kicked.iter().map(|platform| KickedDevice {
                platform: platform.name(),
            }));
            ("Login", "Register")
        }
        Happening::LoggedOut => ("Logout", "Unregister"),
        Happening::Lost(loss) => ("Disconnect", reason_of(*loss)),
        Happening::CustomStatus(custom) => {
            custom_status = Some(custom.as_str());
            ("CustomStatusChange", "SetCustomStatus")
        }
    };
    let change = StateChange {
        callback_command: COMMAND,
        event_time: event.at.0,
        info: Info {
            action,
            to_account: event.user.user.as_str(),
            reason,
            custom_status,
        },
        kicked_device,
    };
    serde_json::to_vec(&change).expect("texts and numbers are JSON")
}

/// The original knows two reasons; whatever ended the connection but silence is its `LinkClose`.
fn reason_of(loss: Loss) -> &'static str {
    match loss {
        Loss::Timeout => "TimeOut",
        Loss::LinkClosed | Loss::Expired | Loss::SlowReceiver | Loss::Restart => "LinkClose",
    }
}

/// The parameters of the request's URL.
pub fn parameters(event: &DeviceEvent) -> String {
    let client = event.client.map(plain).unwrap_or_default();
    format!(
        "SdkAppid={}&CallbackCommand={COMMAND}&contenttype=json&ClientIP={client}&OptPlatform={}",
        event.user.app,
        event.platform.name()
    )
}

/// An address as people write it: an IPv4 one that came through an IPv6 socket is an IPv4 one.
fn plain(address: IpAddr) -> String {
    address.to_canonical().to_string()
}

#[cfg(test)]
mod tests {
    use presence::ids::{AppId, Platform, UserId, UserKey};
    use presence::status::CustomStatus;
    use presence::time::Wall;

    use super::*;

    fn event(what: Happening) -> DeviceEvent {
        DeviceEvent {
            user: UserKey {
                app: AppId::new(88_888_888).unwrap(),
                user: UserId::new("testuser316").unwrap(),
            },
            platform: Platform::Ios,
            client: Some("203.0.113.7".parse().unwrap()),
            at: Wall(1_629_883_332_497),
            what,
        }
    }

    fn text(what: Happening) -> String {
        String::from_utf8(body(&event(what))).unwrap()
    }

    /// R10.1, byte for byte.
    #[test]
    fn each_event_is_worded_as_the_original_does() {
        let whole = |info: &str, rest: &str| {
            format!(
                r#"{{"CallbackCommand":"State.StateChange","EventTime":1629883332497,"Info":{{{info}}}{rest}}}"#
            )
        };
        let login = r#""Action":"Login","To_Account":"testuser316","Reason":"Register""#;
        assert_eq!(text(Happening::LoggedIn { kicked: Vec::new() }), whole(login, ""));
        let kicked = vec![Platform::Windows, Platform::Android];
        assert_eq!(
            text(Happening::LoggedIn { kicked }),
            whole(
                login,
                r#","KickedDevice":[{"Platform":"Windows"},{"Platform":"Android"}]"#
            )
        );
        assert_eq!(
            text(Happening::LoggedOut),
            whole(
                r#""Action":"Logout","To_Account":"testuser316","Reason":"Unregister""#,
                ""
            )
        );
        let lost = |reason| {
            whole(
                &format!(r#""Action":"Disconnect","To_Account":"testuser316","Reason":"{reason}""#),
                "",
            )
        };
        assert_eq!(text(Happening::Lost(Loss::Timeout)), lost("TimeOut"));
        for loss in [Loss::LinkClosed, Loss::SlowReceiver, Loss::Expired, Loss::Restart] {
            assert_eq!(text(Happening::Lost(loss)), lost("LinkClose"));
        }
        let custom = |text| CustomStatus::new(text, 100).unwrap();
        let set = r#""Action":"CustomStatusChange","To_Account":"testuser316","Reason":"SetCustomStatus""#;
        assert_eq!(
            text(Happening::CustomStatus(custom("at \"lunch\" 🍜"))),
            whole(&format!(r#"{set},"CustomStatus":"at \"lunch\" 🍜""#), "")
        );
        assert_eq!(
            text(Happening::CustomStatus(custom(""))),
            whole(&format!(r#"{set},"CustomStatus":"""#), "")
        );
    }

    #[test]
    fn the_parameters_are_those_of_the_original() {
        let mut event = event(Happening::LoggedOut);
        let rest = |client: &str, platform: &str| {
            format!(
                "SdkAppid=88888888&CallbackCommand=State.StateChange&contenttype=json&ClientIP={client}&OptPlatform={platform}"
            )
        };
        assert_eq!(parameters(&event), rest("203.0.113.7", "iOS"));
        event.client = Some("::ffff:203.0.113.7".parse().unwrap());
        assert_eq!(parameters(&event), rest("203.0.113.7", "iOS"));
        event.client = None;
        event.platform = Platform::Other;
        assert_eq!(parameters(&event), rest("", "Other"));
    }
}
