//! Makes the events of the auction house, or runs a query over them.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use riverrun::Error;
use riverrun_nexmark::events::{Options, TOPICS, generate};
use riverrun_nexmark::{QUERIES, running};

/// NEXMark on Riverrun.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the events as CloudEvents, one a line: persons.ndjson, auctions.ndjson and bids.ndjson.
    Generate {
        #[command(flatten)]
        events: Events,
        /// The folder to write them to.
        folder: PathBuf,
    },
    /// Runs a query on a server of its own with a fresh log, publishes the events to it, and prints what comes out.
    Run {
        /// Which one.
        #[arg(value_parser = QUERIES)]
        query: String,
        #[command(flatten)]
        events: Events,
    },
}

#[derive(Args)]
struct Events {
    /// How many; of 50, one is a person, three are auctions and the others bids.
    #[arg(long, default_value_t = Options::default().events)]
    events: usize,
    /// How many happen in a second of event time.
    #[arg(long, default_value_t = Options::default().events_per_second)]
    rate: usize,
    /// Within groups of so many, they come in another order than they happened.
    #[arg(long, default_value_t = Options::default().disorder)]
    disorder: usize,
}

impl Events {
    fn options(&self) -> Options {
        Options { events: self.events, events_per_second: self.rate, disorder: self.disorder }
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    match Arguments::parse().command {
        Command::Generate { events, folder } => write(events.options(), &folder),
        Command::Run { query, events } => {
            let mut output = BufWriter::new(std::io::stdout());
            let ran = running::run(&query, generate(events.options()), &mut output).await;
            // Whoever reads may have seen enough, as `head` does.
            let enough = |error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe;
            match ran.and_then(|()| Ok(output.flush()?)) {
                Err(error) if error.downcast_ref().is_some_and(enough) => Ok(()),
                ran => ran,
            }
        }
    }
}

fn write(options: Options, folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder)?;
    for topic in TOPICS {
        let mut file = BufWriter::new(File::create(folder.join(format!("{topic}.ndjson")))?);
        for entry in generate(options).filter(|entry| entry.topic() == topic) {
            writeln!(file, "{entry}")?;
        }
        file.flush()?;
    }
    Ok(())
}
