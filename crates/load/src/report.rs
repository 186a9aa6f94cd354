//! What was measured: every run, medians with their spread, and ratios of runs made side by side; as JSON or tables.

use std::fmt::Write as _;

use serde::Serialize;

use crate::statistics::{Spread, median_interval};

/// One measured value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// With its unit.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// Which way is better, for what is worth comparing.
    pub better: Option<Better>,
}

/// Which way a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More is better.
    More,
    /// Less is better.
    Less,
}

impl Figure {
    /// One of which more is better.
    pub fn more(name: &'static str, value: f64) -> Figure {
        Figure {
            name,
            value,
            better: Some(Better::More),
        }
    }

    /// One of which less is better.
    pub fn less(name: &'static str, value: f64) -> Figure {
        Figure {
            name,
            value,
            better: Some(Better::Less),
        }
    }

    /// One that explains the others.
    pub fn plain(name: &'static str, value: f64) -> Figure {
        Figure {
            name,
            value,
            better: None,
        }
    }
}

/// One run of one server.
#[derive(Debug, Serialize)]
pub struct Run {
    /// Runs of one round were made one after the other.
    pub round: usize,
    /// Its name.
    pub server: &'static str,
    /// The machine's load average over a minute, before the run: what else went on.
    pub load_average: f64,
    /// The same figures in the same order for every run of a report.
    pub figures: Vec<Figure>,
}

/// A server that was asked for and not measured.
#[derive(Debug, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub server: &'static str,
    /// Why.
    pub reason: String,
    /// It was started, and did not do what it should.
    pub failed: bool,
}

/// The machine and its system.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// Its processors' name.
    pub processor: String,
    /// How many.
    pub processors: usize,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// This one; what the system does not tell is empty.
    pub fn this() -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
        Machine {
            processor: processor.unwrap_or_default(),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

/// The load average over a minute.
pub fn load_average() -> f64 {
    std::fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(f64::NAN)
}

/// All runs of a scenario.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The scenario.
    pub scenario: &'static str,
    /// Its parameters.
    pub parameters: serde_json::Value,
    /// Where.
    pub machine: Machine,
    /// The server that others are compared with.
    pub base: &'static str,
    /// In the order they were made.
    pub runs: Vec<Run>,
    /// Asked for, not measured.
    pub left_out: Vec<LeftOut>,
}

impl Report {
    /// For programs.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain numbers and names")
    }

    /// For people: Markdown.
    pub fn tables(&self) -> String {
        let mut text = String::new();
        self.write_tables(&mut text).expect("a String grows");
        text
    }

    fn write_tables(&self, text: &mut String) -> std::fmt::Result {
        let servers = self.servers();
        let Some(first) = self.runs.first() else {
            return self.write_left_out(text);
        };
        let rounds = self.runs.iter().map(|run| run.round).max().unwrap_or(0);
        writeln!(
            text,
            "{}, {}\n\nMedian (lowest – highest) of {rounds} rounds; load average before the runs {}\n",
            self.scenario,
            self.parameters,
            Spread::of(self.runs.iter().map(|run| run.load_average).collect())
        )?;
        header(text, "server", first.figures.iter().map(|figure| figure.name))?;
        for server in &servers {
            write!(text, "| {server} |")?;
            for index in 0..first.figures.len() {
                write!(text, " {} |", Spread::of(self.values(server, index)))?;
            }
            writeln!(text)?;
        }
        if servers.len() > 1 && rounds > 1 {
            self.write_ratios(text, &servers, &first.figures)?;
        }
        self.write_left_out(text)
    }

    fn write_ratios(
        &self,
        text: &mut String,
        servers: &[&'static str],
        figures: &[Figure],
    ) -> std::fmt::Result {
        writeln!(
            text,
            "\n{} ÷ other, paired by round: median, and the interval that holds the true median with the given \
             confidence\n",
            self.base
        )?;
        let compared: Vec<usize> = (0..figures.len())
            .filter(|index| figures.get(*index).is_some_and(|figure| figure.better.is_some()))
            .collect();
        let names = compared
            .iter()
            .filter_map(|index| figures.get(*index))
            .map(|figure| match figure.better {
                Some(Better::More) => format!("{} (more is better)", figure.name),
                Some(Better::Less) | None => figure.name.to_owned(),
            });
        header(text, "other", names)?;
        for server in servers.iter().filter(|server| **server != self.base) {
            write!(text, "| {server} |")?;
            for &index in &compared {
                match median_interval(self.ratios(server, index)) {
                    Some(interval) => write!(text, " {interval} |")?,
                    None => write!(text, " – |")?,
                }
            }
            writeln!(text)?;
        }
        Ok(())
    }

    fn write_left_out(&self, text: &mut String) -> std::fmt::Result {
        for LeftOut { server, reason, .. } in &self.left_out {
            writeln!(text, "\nwithout {server}: {reason}")?;
        }
        Ok(())
    }

    /// The servers whose runs went wrong.
    pub fn failed(&self) -> Vec<&'static str> {
        let failed = self.left_out.iter().filter(|left_out| left_out.failed);
        failed.map(|left_out| left_out.server).collect()
    }

    /// The values of this figure, one a run; none if there is no such figure or server.
    pub fn figure(&self, server: &str, name: &str) -> Vec<f64> {
        let first = self.runs.first().map_or(&[][..], |run| &run.figures[..]);
        match first.iter().position(|figure| figure.name == name) {
            Some(index) => self.values(server, index),
            None => Vec::new(),
        }
    }

    /// In the order of their first runs.
    pub fn servers(&self) -> Vec<&'static str> {
        let mut servers = Vec::new();
        for run in &self.runs {
            if !servers.contains(&run.server) {
                servers.push(run.server);
            }
        }
        servers
    }

    fn values(&self, server: &str, index: usize) -> Vec<f64> {
        self.runs
            .iter()
            .filter(|run| run.server == server)
            .filter_map(|run| run.figures.get(index))
            .map(|figure| figure.value)
            .collect()
    }

    /// The base's value over the other's, of each round that has both.
    fn ratios(&self, server: &str, index: usize) -> Vec<f64> {
        let value = |name: &str, round: usize| {
            let run = self
                .runs
                .iter()
                .find(|run| run.server == name && run.round == round)?;
            run.figures.get(index).map(|figure| figure.value)
        };
        let rounds = self.runs.iter().map(|run| run.round).max().unwrap_or(0);
        (1..=rounds)
            .filter_map(|round| Some(value(self.base, round)? / value(server, round)?))
            .filter(|ratio| ratio.is_finite())
            .collect()
    }
}

fn header(
    text: &mut String,
    first: &str,
    names: impl Iterator<Item = impl std::fmt::Display>,
) -> std::fmt::Result {
    write!(text, "| {first} |")?;
    let mut columns = 0;
    for name in names {
        write!(text, " {name} |")?;
        columns += 1;
    }
    writeln!(text, "\n|---|{}", "---|".repeat(columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(round: usize, server: &'static str, value: f64) -> Run {
        Run {
            round,
            server,
            load_average: 0.5,
            figures: vec![Figure::less("µs", value), Figure::plain("CPU %", 99.0)],
        }
    }

    #[test]
    fn the_tables_have_medians_and_ratios_paired_by_round() {
        let report = Report {
            scenario: "fan-out",
            parameters: serde_json::json!({}),
            machine: Machine::this(),
            base: "ours",
            runs: vec![
                run(1, "ours", 1.0),
                run(1, "redis", 2.0),
                run(2, "ours", 3.0),
                run(2, "redis", 4.0),
                run(3, "ours", 2.0),
                run(3, "redis", 8.0),
            ],
            left_out: vec![LeftOut {
                server: "nats",
                reason: "it keeps nothing".into(),
                failed: false,
            }],
        };
        let text = report.tables();
        assert!(text.contains("| ours | 2.00 (1.00 – 3.00) |"), "{text}");
        assert!(text.contains("| redis | 4.00 (2.00 – 8.00) |"), "{text}");
        // 1/2, 3/4, 2/8: the median is of the ratios, not of the medians.
        assert!(text.contains("| redis | 0.50 (0.25 – 0.75, 75 %) |"), "{text}");
        assert!(text.contains("without nats: it keeps nothing"), "{text}");
        assert!(report.json().contains("\"better\": \"less\""));
    }
}
