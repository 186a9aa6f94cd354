//! The server itself: what it is, and what it has done.

use presence_node::{LATENCY_BUCKETS_US, LoopStatistics};
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

/// Counters rise from the start of the server; who wants a rate asks twice.
pub async fn statistics(call: &Call<'_>) -> Answer {
    call.only(&[])?;
    let loops = call.service.admin.statistics().await?;
    let users = call.service.admin.counts(call.administrator.app).await?;
    let sum = |of: fn(&LoopStatistics) -> u64| loops.iter().map(of).sum::<u64>();
    let mut turns = [0; LATENCY_BUCKETS_US.len() + 1];
    for statistics in &loops {
        for (all, one) in turns.iter_mut().zip(statistics.turns_by_length) {
            *all += one;
        }
    }
    let ends = LATENCY_BUCKETS_US
        .iter()
        .map(|end| json!(end))
        .chain([json!(null)]);
    let turns: Vec<_> = ends
        .zip(turns)
        .map(|(end, count)| json!({"up_to_us": end, "count": count}))
        .collect();
    Ok(Some(json!({
        "now_ms": now_ms(),
        "app": {
            "sdk_app_id": call.administrator.app.get(),
            "users": {
                "online": users.online,
                "offline": users.offline,
                "unlogined": users.unlogined,
            },
        },
        "server": {
            "loops": loops.len(),
            "connections": sum(|of| of.connections),
            "devices": sum(|of| of.devices),
            "users": sum(|of| of.users),
            "watched": sum(|of| of.watched),
            "accepted": sum(|of| of.accepted),
            "logins": sum(|of| of.logins),
            "logins_refused": sum(|of| of.logins_refused),
            "requests": sum(|of| of.requests),
            "changes": sum(|of| of.changes),
            "deliveries": sum(|of| of.deliveries),
            "turns": turns,
            "turns_us": sum(|of| of.turns_us),
        },
    })))
}
