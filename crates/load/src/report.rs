//! What was measured: medians and spread, as a table or as JSON.

use serde::Serialize;

/// One run of one server.
#[derive(Debug, Serialize)]
pub struct Row {
    server: &'static str,
    figures: Vec<(&'static str, f64)>,
}

impl Row {
    /// A run without figures yet.
    pub fn new(server: &'static str) -> Row {
        Row {
            server,
            figures: Vec::new(),
        }
    }

    /// Adds a figure; every run of a scenario adds the same ones in the same order.
    pub fn add(&mut self, name: &'static str, value: f64) {
        self.figures.push((name, value));
    }
}

/// Prints all runs.
pub fn print(rows: &[Row], json: bool) {
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(rows).expect("plain numbers and names")
        );
        return;
    }
    let Some(first) = rows.first() else { return };
    let mut servers: Vec<&str> = rows.iter().map(|row| row.server).collect();
    servers.dedup();
    let mut seen = Vec::new();
    servers.retain(|server| {
        !seen.contains(server) && {
            seen.push(*server);
            true
        }
    });
    println!(
        "\nmedian (lowest – highest) of {} runs",
        rows.len() / servers.len()
    );
    print!("| server |");
    first.figures.iter().for_each(|(name, _)| print!(" {name} |"));
    print!("\n|---|");
    first.figures.iter().for_each(|_| print!("---|"));
    println!();
    for server in servers {
        print!("| {server} |");
        for index in 0..first.figures.len() {
            let mut values: Vec<f64> = rows
                .iter()
                .filter(|row| row.server == server)
                .map(|row| row.figures[index].1)
                .collect();
            values.sort_by(f64::total_cmp);
            let (low, high) = (values[0], values[values.len() - 1]);
            print!(
                " {} ({} – {}) |",
                shown(values[values.len() / 2]),
                shown(low),
                shown(high)
            );
        }
        println!();
    }
}

fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
