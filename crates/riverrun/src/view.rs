//! Views as a service reads them: the keyed state of steps, with the data as values.

use std::sync::Arc;
use std::time::Duration;

use riverrun_event::{Position, Time, ViewName};
use riverrun_runtime::Runtime;
use riverrun_runtime::views::{Keys, View as Rows, ViewQuery};
use riverrun_topology::view::ViewRow;
use serde::de::DeserializeOwned;

pub use riverrun_runtime::views::ViewError;

/// A view of a running app. Reading blocks for the disk, as does everything read from it; in async code use a blocking thread
/// where that matters.
#[derive(Clone)]
pub struct View {
    rows: Arc<Rows>,
}

/// A row of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<T> {
    /// The key.
    pub key: String,
    /// The window it belongs to, from its start up to its end, where the view has windows.
    pub window: Option<(Time, Time)>,
    /// What the step would emit for it.
    pub data: T,
}

/// Why rows could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The view cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A row does not fit the type.
    #[error("the row of the key {key:?} does not fit: {source}")]
    Data {
        /// The key.
        key: String,
        /// What does not fit.
        source: serde_json::Error,
    },
}

impl View {
    pub(crate) fn of(runtime: &Runtime, name: &str) -> Option<Self> {
        let name = ViewName::new(name).ok()?;
        Some(Self { rows: Arc::clone(runtime.views().get(&name)?) })
    }

    /// The row of a key; that of its newest window where the view has windows.
    ///
    /// # Errors
    /// [`RowError`] when it cannot be read or does not fit `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Row<T>>, RowError> {
        self.rows.get(key.as_bytes())?.map(typed).transpose()
    }

    /// The JSON of the row of a key, as it is kept.
    ///
    /// # Errors
    /// [`ViewError`] when it cannot be read.
    pub fn get_json(&self, key: &[u8]) -> Result<Option<bytes::Bytes>, ViewError> {
        Ok(self.rows.get(key)?.map(|row| row.data))
    }

    /// The rows of every window of a key, oldest first.
    ///
    /// # Errors
    /// [`RowError`] when they cannot be read or do not fit `T`.
    pub fn windows<T: DeserializeOwned>(&self, key: &str) -> Result<Vec<Row<T>>, RowError> {
        self.query(Keys::One(key.as_bytes().to_vec()))
    }

    /// The rows whose keys begin with `prefix`, in the order of their keys; with an empty one all.
    ///
    /// # Errors
    /// [`RowError`] when they cannot be read or do not fit `T`.
    pub fn prefix<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<Row<T>>, RowError> {
        self.query(Keys::Prefix(prefix.as_bytes().to_vec()))
    }

    /// The rows with keys from the first on, up to but without the second.
    ///
    /// # Errors
    /// [`RowError`] when they cannot be read or do not fit `T`.
    pub fn range<T: DeserializeOwned>(&self, from: &str, to: &str) -> Result<Vec<Row<T>>, RowError> {
        self.query(Keys::Range(from.as_bytes().to_vec(), to.as_bytes().to_vec()))
    }

    fn query<T: DeserializeOwned>(&self, keys: Keys) -> Result<Vec<Row<T>>, RowError> {
        let page = self.rows.read(&ViewQuery::of(keys, usize::MAX))?;
        page.entries.into_iter().map(|entry| typed(entry.row)).collect()
    }
}

/// Resolves when a view holds what came of events at these positions; see [`crate::Server::view_holds`].
pub(crate) async fn holds(
    runtime: &Runtime,
    view: &View,
    positions: &[Position],
    patience: Duration,
) -> Result<(), ViewError> {
    runtime.view_holds(&view.rows, &view.rows.tasks(), positions, patience).await
}

fn typed<T: DeserializeOwned>(row: ViewRow) -> Result<Row<T>, RowError> {
    let key = String::from_utf8_lossy(&row.key).into_owned();
    match serde_json::from_slice(&row.data) {
        Ok(data) => Ok(Row { key, window: row.window, data }),
        Err(source) => Err(RowError::Data { key, source }),
    }
}
