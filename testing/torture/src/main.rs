//! The command line of the fault tests: `short`, `full`, `sabotage`, `media`, `storm`, `kafka` and `outbox`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use riverrun_torture::failure::{Failure, Interruption, OrEnvironment};
use riverrun_torture::kafka;
use riverrun_torture::media;
use riverrun_torture::outbox;
use riverrun_torture::report::say;
use riverrun_torture::round::{Fault, Plan};
use riverrun_torture::scenario::{run_rounds, run_sabotage};
use riverrun_torture::storm;

/// What shells give for a program that SIGINT ended.
const EXIT_INTERRUPTED: u8 = 130;

/// Kills a server, cuts its disk off from power, and checks that it kept every promise
#[derive(Parser)]
#[command(name = "riverrun-torture", version)]
struct Arguments {
    #[command(subcommand)]
    tier: Tier,
}

#[derive(Subcommand)]
enum Tier {
    /// 60 kills and 20 power cuts, within 4 minutes
    Short(Faults),
    /// 500 kills and 200 power cuts
    Full(Faults),
    /// Each sabotage switch of a server built with the feature `sabotage`; every one of them has to be noticed
    Sabotage {
        #[command(flatten)]
        run: Run,
        /// Faults a switch has to be noticed within
        #[arg(long, default_value_t = 40)]
        faults: u32,
        /// Only these switches
        switches: Vec<String>,
    },
    /// Disks that fill up, fail and decay, and clocks that jump
    Media {
        #[command(flatten)]
        run: Run,
        /// The command line `riverrun`; without it the one beside this program
        #[arg(long)]
        command_line: Option<PathBuf>,
        /// Only these kinds: "full disk", "bit rot", "disk errors", "clock steps"
        kinds: Vec<String>,
    },
    /// 10,000 idle connections, readers that do not read, and floods of bodies that are too large or too many
    Storm(Run),
    /// Several instances on a Kafka cluster: killed, paused, coming and going
    Kafka {
        #[command(flatten)]
        run: Run,
        #[command(flatten)]
        needs: Needs,
        /// 200 kills instead of 40, and more of everything
        #[arg(long)]
        full: bool,
        /// Instead: each switch of a service built with the feature `sabotage`; every one of them has to be noticed
        #[arg(long, conflicts_with = "full")]
        sabotage: bool,
        /// Only these scenarios, or switches
        only: Vec<String>,
    },
    /// A transactional outbox whose writers, relays, PostgreSQL and log are tormented
    Outbox {
        #[command(flatten)]
        run: Run,
        #[command(flatten)]
        programs: Programs,
        /// `short` or `full`, which is meant where nothing is said, and only these scenarios; or `sabotage`, and only these switches
        words: Vec<String>,
    },
}

/// The programs that scenarios with services around them need besides the service.
#[derive(Args)]
struct Programs {
    /// The command line `riverrun`; without it the one beside this program
    #[arg(long)]
    command_line: Option<PathBuf>,
    /// The program that starts brokers and PostgreSQL by `services start`; without it `xtask` beside this program
    #[arg(long)]
    services: Option<PathBuf>,
}

impl Programs {
    /// The command line, and what starts services.
    fn find(self) -> Result<(PathBuf, PathBuf), Failure> {
        let program = |given: Option<PathBuf>, name: &str| {
            let program = given.map_or_else(|| beside_this_program(name), Ok)?;
            std::path::absolute(&program).or_environment(&format!("cannot find {name}"))
        };
        Ok((program(self.command_line, "riverrun")?, program(self.services, "xtask")?))
    }
}

/// What the scenarios on Kafka need besides the service.
#[derive(Args)]
struct Needs {
    #[command(flatten)]
    programs: Programs,
    /// A Python interpreter that has the packages of `kafka/requirements.txt`
    #[arg(long)]
    python: PathBuf,
    /// The folder `testing/torture`
    #[arg(long)]
    sources: PathBuf,
}

#[derive(Args)]
struct Faults {
    #[command(flatten)]
    run: Run,
    /// How many times kill -9
    #[arg(long)]
    kills: Option<u32>,
    /// How many power cuts
    #[arg(long)]
    power_cuts: Option<u32>,
}

#[derive(Args)]
struct Run {
    /// The program under test, `torture-service`; without it the one beside this program
    #[arg(long)]
    server: Option<PathBuf>,
    /// The seed of a run to be repeated; without it a new one, which is printed
    #[arg(long)]
    seed: Option<u64>,
    /// Where temporary files go; the system's place without it
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Where ledger and server log are kept when something is wrong
    #[arg(long)]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    let tier = Arguments::parse().tier;
    match Interruption::listen().and_then(|interruption| run(tier, &interruption)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Failure::Interrupted) => {
            say("interrupted; everything is cleaned up");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(failure) => {
            say(format!("cannot run: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run(tier: Tier, interruption: &Interruption) -> Result<bool, Failure> {
    match tier {
        Tier::Short(faults) => run_faults(&faults, (60, 20), interruption),
        Tier::Full(faults) => run_faults(&faults, (500, 200), interruption),
        Tier::Sabotage { run, faults, switches } => {
            let plan = Plan { faults, ..plan(&run)? };
            run_sabotage(&plan, &switches, interruption)
        }
        Tier::Media { run, command_line, kinds } => {
            let Plan { program, directory, keep, seed, .. } = plan(&run)?;
            let command_line = command_line.map_or_else(|| beside_this_program("riverrun"), Ok)?;
            let command_line = std::path::absolute(&command_line).or_environment("cannot find the command line")?;
            let plan = media::Plan { program, command_line, directory, keep, seed };
            media::run(&plan, &kinds, interruption)
        }
        Tier::Storm(run) => {
            let Plan { program, directory, .. } = plan(&run)?;
            storm::run(&program, &directory, interruption)
        }
        Tier::Kafka { run, needs, full, sabotage, only } => {
            let plan = kafka_plan(plan(&run)?, needs, full)?;
            if sabotage {
                kafka::run_sabotage(&plan, &only, interruption)
            } else {
                kafka::run(&plan, &only, interruption)
            }
        }
        Tier::Outbox { run, programs, words } => run_outbox(&run, programs, &words, interruption),
    }
}

fn run_faults(
    arguments: &Faults,
    (kills, power_cuts): (u32, u32),
    interruption: &Interruption,
) -> Result<bool, Failure> {
    let kills = arguments.kills.unwrap_or(kills);
    let power_cuts = arguments.power_cuts.unwrap_or(power_cuts);
    let plan = plan(&arguments.run)?;
    let mut is_good = true;
    for (name, fault, faults) in [("kill -9", Fault::Kill, kills), ("power cut", Fault::PowerCut, power_cuts)] {
        if faults > 0 {
            is_good &= run_rounds(name, &Plan { fault, faults, ..plan.clone() }, interruption)?;
        }
    }
    Ok(is_good)
}

fn kafka_plan(plan: Plan, needs: Needs, is_full: bool) -> Result<kafka::Plan, Failure> {
    let (command_line, services) = needs.programs.find()?;
    Ok(kafka::Plan {
        command_line,
        service: plan.program,
        services,
        // Not made canonical: a virtual environment's interpreter is a link, and where it lies is what makes it one.
        python: std::path::absolute(&needs.python).or_environment("cannot find the interpreter")?,
        sources: std::path::absolute(&needs.sources).or_environment("cannot find the sources")?,
        directory: plan.directory,
        keep: plan.keep,
        seed: plan.seed,
        is_full,
        sabotage: None,
    })
}

/// `[short|full] [SCENARIO ...]` or `sabotage [SWITCH ...]`.
fn run_outbox(run: &Run, programs: Programs, words: &[String], interruption: &Interruption) -> Result<bool, Failure> {
    let (tier, only) = match words.split_first() {
        Some((tier, only)) if ["short", "full", "sabotage"].contains(&tier.as_str()) => (tier.as_str(), only),
        _ => ("full", words),
    };
    let (command_line, services) = programs.find()?;
    let Plan { program: service, directory, keep, seed, .. } = plan(run)?;
    let is_full = tier == "full";
    let (sabotage, is_unlocked) = (None, false);
    let plan = outbox::Plan { command_line, service, services, directory, keep, seed, is_full, sabotage, is_unlocked };
    match tier {
        "sabotage" => outbox::run_sabotage(&plan, only, interruption),
        _ => outbox::run(&plan, only, interruption),
    }
}

/// The plan all scenarios of a run start from; prints its seed.
fn plan(run: &Run) -> Result<Plan, Failure> {
    let seed = match run.seed {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(UNIX_EPOCH).or_environment("the clock is before 1970")?.as_secs(),
    };
    say(format!("seed {seed} (--seed {seed} sends the same again)"));
    let program = match &run.server {
        Some(program) => program.clone(),
        None => beside_this_program("torture-service")?,
    };
    Ok(Plan {
        program: std::path::absolute(&program).or_environment("cannot find the server")?,
        directory: run.directory.clone().unwrap_or_else(std::env::temp_dir),
        keep: run.keep.clone(),
        seed,
        fault: Fault::Kill,
        faults: 0,
        check_every: 10,
        replay_each_check: false,
        sabotage: None,
    })
}

fn beside_this_program(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().or_environment("cannot find this program")?;
    Ok(own.parent().map_or_else(|| PathBuf::from(name), |directory: &Path| directory.join(name)))
}
