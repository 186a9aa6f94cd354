//! The server itself: what it is, and what it has done for an app.

use presence_node::LATENCY_BUCKETS_US;
use serde_json::json;

use super::{Answer, Call};
use crate::service::now_ms;

pub async fn get(call: &Call<'_>) -> Answer {
    call.only(&[])?;
    let started = call.service.started;
    let uptime_ms = u64::try_from(started.at.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Some(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_at_ms": started.wall_ms,
        "uptime_ms": uptime_ms,
        "now_ms": now_ms(),
        "gateways": call.service.gateways,
    })))
}

/// The administrator's app alone: what others do is none of its business, and of the whole server there are metrics, for who
/// operates it. Counters rise from the start of the server; who wants a rate asks twice.
pub async fn statistics(call: &Call<'_>) -> Answer {
    call.only(&[])?;
    let app = call.administrator.app;
    let done = call.service.admin.app_statistics(app).await?;
    let users = call.service.admin.counts(app).await?;
    let ends = LATENCY_BUCKETS_US
        .iter()
        .map(|end| json!(end))
        .chain([json!(null)]);
    let delays: Vec<_> = ends
        .zip(done.changes_by_delay)
        .map(|(end, count)| json!({"up_to_us": end, "count": count}))
        .collect();
    Ok(Some(json!({
        "now_ms": now_ms(),
        "app": {
            "sdk_app_id": app.get(),
            "users": {
                "online": users.online,
                "offline": users.offline,
                "unlogined": users.unlogined,
            },
            "devices": done.devices,
            "logins": done.logins,
            "changes": done.changes,
            "deliveries": done.deliveries,
            "delays": delays,
        },
    })))
}
