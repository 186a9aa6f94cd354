//! Starting the node: with its store, if it is to have one, and with the settings that were changed at run time.

use std::path::PathBuf;

use presence_node::{AppConfig, Node};

use crate::Failure;
use crate::arguments::FolderSource;
use crate::config::{self, Config};
use crate::store::{self, Store};

/// What runs.
pub struct Started {
    /// The node.
    pub node: Node,
    /// Its store; to be closed after it.
    pub store: Option<Store>,
    /// The apps with the settings they begin with, which may be other than those of the file.
    pub apps: Vec<AppConfig>,
}

/// Starts it.
pub fn start(config: &Config) -> Result<Started, Failure> {
    let mut apps = config.apps.clone();
    let Some(folder) = &config.data_dir else {
        let node =
            Node::start(config.node.clone(), apps.clone()).map_err(|error| not_started(config, &error))?;
        return Ok(Started {
            node,
            store: None,
            apps,
        });
    };
    let store = Store::open(folder, store::wall_now())?;
    if store.is_after_crash() {
        tracing::warn!(data_dir = %folder.display(), "the last server did not end in order; its store is whole");
    }
    for app in &mut apps {
        app.settings = store.settings(&config.node, app)?;
    }
    let mut node_config = config.node.clone();
    node_config.store = Some(store.handle());
    match Node::start(node_config, apps.clone()) {
        Ok(node) => {
            for (in_file, in_effect) in config.apps.iter().zip(&apps) {
                store.keep_settings(in_file.id, &in_file.settings, &in_effect.settings);
            }
            Ok(Started {
                node,
                store: Some(store),
                apps,
            })
        }
        Err(error) => {
            let failure = not_started(config, &error);
            // Nothing was given out, if the store came so far; what went wrong first is told.
            let _ = store.close();
            Err(failure)
        }
    }
}

fn not_started(config: &Config, error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::InvalidData {
        return Failure::Store(error.to_string());
    }
    let addresses = config::listens_on(&config.node);
    let what_to_do = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "; another server may be running, and --listen takes another address"
        }
        _ => "",
    };
    Failure::Runtime(format!(
        "cannot listen on {}: {error}{what_to_do}",
        addresses.join(", ")
    ))
}

/// The data directory a command is about.
pub fn data_dir(source: &FolderSource) -> Result<PathBuf, Failure> {
    match source {
        FolderSource::Given(folder) => Ok(folder.clone()),
        FolderSource::File(path) => config::read(path)?
            .data_dir
            .ok_or_else(|| Failure::Configuration(format!("{}: there is no data_dir", path.display()))),
    }
}
