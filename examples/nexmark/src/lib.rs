//! NEXMark on Riverrun: the events, and the queries as apps. What each query asks, its file says.

pub mod events;
pub mod last_ten;
pub mod running;
pub mod winning_bid;

use std::path::PathBuf;

use riverrun::{App, Error};

use last_ten::LastTen;
use winning_bid::WinningBid;

/// The queries there are; `q5` is in `q5.yaml`.
pub const QUERIES: [&str; 11] = ["q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q11", "q12"];

/// Loads a query, with the transformers it names.
///
/// # Errors
/// [`Error`] when its file cannot be loaded.
pub fn load(query: &str) -> Result<App, Error> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), &format!("{query}.yaml")].iter().collect();
    let app = App::load(path)?;
    Ok(match query {
        "q4" => app.transform("winning-bid", WinningBid),
        "q6" => app.transform("winning-bid", WinningBid).transform("last-ten", LastTen),
        _ => app,
    })
}
