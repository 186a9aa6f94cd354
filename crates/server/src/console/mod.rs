//! The console: one page for administrators, served beside `/v1`, which it is made of. Hand-written files, inside the binary:
//! no build step, nothing fetched from elsewhere.
//!
//! It knows no secrets and takes none: who asks says so to `/v1`, with the UserSig that the page keeps in its tab. There are
//! no cookies, so no other site can ask in the administrator's name; and the policy sent along lets the page run these files
//! alone, talk to this server alone, and be framed by nobody.

use hyper::header::{ALLOW, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};

use crate::http::exchange::{Response, respond};

/// Where it is.
const PATH: &str = "/console/";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal $content_type:ident;)*) => {
        /// Name, kind and content of each file.
        const FILES: &[(&str, &str, &str)] = &[$(($name, $content_type, include_str!(concat!("page/", $name))),)*];
    };
}

files! {
    "index.html" HTML;
    "style.css" CSS;
    "icon.svg" SVG;
    "main.js" JAVASCRIPT;
    "account.js" JAVASCRIPT;
    "accounts.js" JAVASCRIPT;
    "api.js" JAVASCRIPT;
    "chart.js" JAVASCRIPT;
    "dom.js" JAVASCRIPT;
    "live.js" JAVASCRIPT;
    "online.js" JAVASCRIPT;
    "overview.js" JAVASCRIPT;
    "protocol.js" JAVASCRIPT;
    "samples.js" JAVASCRIPT;
    "settings.js" JAVASCRIPT;
    "signin.js" JAVASCRIPT;
}

/// Answers what is asked of the console; `None`: the path is not its.
pub fn answer(method: &Method, path: &str, gateways: &[String]) -> Option<Response> {
    if path == "/" || path == PATH.trim_end_matches('/') {
        let mut response = respond(StatusCode::FOUND, "text/plain; charset=utf-8", PATH);
        response
            .headers_mut()
            .insert(LOCATION, HeaderValue::from_static(PATH));
        return Some(only_get(method, response));
    }
    let name = match path.strip_prefix(PATH)? {
        "" => "index.html",
        name => name,
    };
    let (_, content_type, content) = FILES.iter().find(|(file, ..)| *file == name)?;
    let mut response = respond(StatusCode::OK, content_type, *content);
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy(gateways)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Some(only_get(method, response))
}

fn only_get(method: &Method, response: Response) -> Response {
    if method == Method::GET || method == Method::HEAD {
        return response;
    }
    let mut refused = respond(
        StatusCode::METHOD_NOT_ALLOWED,
        "text/plain; charset=utf-8",
        "this takes GET",
    );
    refused
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    refused
}

/// What the page may do: run these files, ask this server, and connect where clients connect. A policy cannot name an address
/// of IPv6, and the page knows the server by the name in its own address: so any host, and the ports of the clients.
fn policy(gateways: &[String]) -> String {
    let mut connect = String::from("'self'");
    for gateway in gateways {
        let scheme = if gateway.starts_with("tims:") { "wss" } else { "ws" };
        if let Some((_, port)) = gateway.rsplit_once(':') {
            connect.push_str(&format!(" {scheme}://*:{port}"));
        }
    }
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src {connect}; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use presence_node::options::APP;

    fn get(path: &str) -> Option<Response> {
        answer(
            &Method::GET,
            path,
            &["tim://0.0.0.0:7788".to_owned(), "tims://[::]:7790".to_owned()],
        )
    }

    #[test]
    fn each_file_of_the_folder_is_served_with_its_kind() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/console/page");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let response = get(&format!("/console/{name}")).unwrap_or_else(|| panic!("{name} is not served"));
            assert_eq!(response.status(), StatusCode::OK);
            let kind = response.headers()["content-type"].to_str().unwrap();
            assert_eq!(
                kind.contains("javascript"),
                name.ends_with(".js"),
                "{name}: {kind}"
            );
        }
        assert_eq!(get("/console/").unwrap().headers()["content-type"], HTML);
        assert_eq!(get("/").unwrap().headers()["location"], "/console/");
        assert_eq!(get("/console").unwrap().status(), StatusCode::FOUND);
        for path in [
            "/console/../mod.rs",
            "/console/nothing.js",
            "/v1/app",
            "/consoles",
        ] {
            assert!(get(path).is_none(), "{path}");
        }
    }

    #[test]
    fn the_page_may_run_its_own_files_alone_and_is_framed_by_nobody() {
        let response = get("/console/").unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        assert!(
            policy.contains("connect-src 'self' ws://*:7788 wss://*:7790;"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        assert!(!response.headers().contains_key("set-cookie"));
        for (name, _, content) in FILES {
            for way in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                " style=",
                " onclick=",
            ] {
                assert!(!content.contains(way), "{name}: {way}");
            }
            for elsewhere in content
                .split("https://")
                .skip(1)
                .chain(content.split("http://").skip(1))
            {
                assert!(
                    elsewhere.starts_with("www.w3.org/2000/svg"),
                    "{name} names another site"
                );
            }
        }
    }

    #[test]
    fn other_methods_are_refused() {
        let refused = answer(&Method::POST, "/console/", &[]).unwrap();
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()["allow"], "GET, HEAD");
        assert_eq!(
            answer(&Method::HEAD, "/console/", &[]).unwrap().status(),
            StatusCode::OK
        );
    }

    #[test]
    fn the_page_has_words_for_each_setting_of_an_app() {
        let page = include_str!("page/settings.js");
        for setting in APP {
            assert!(
                page.contains(&format!("['{}', '", setting.key)),
                "{}",
                setting.key
            );
        }
    }
}
