//! The instances of an app on one log: processes with directories of their own, that are started, killed, stopped and woken.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::failure::{Failure, Interruption, OrEnvironment};
use crate::faked_clock::{library, with_clock};
use crate::report::say;
use crate::server::{Launch, Server};

/// How often is looked whether an instance that starts has told its address.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where the instances that can be reached listen.
pub(crate) type Addresses = Arc<Mutex<Vec<Option<SocketAddr>>>>;

/// One instance.
struct Instance {
    launch: Launch,
    server: Option<Server>,
}

/// All instances of an app.
pub(crate) struct Instances {
    list: Vec<Instance>,
    addresses: Addresses,
    interruption: Interruption,
    /// Last, since it has to outlive the processes.
    work: TempDir,
}

/// How the app is run.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// The command line.
    CommandLine(PathBuf),
    /// The service that brings steps and assignors of its own.
    Service(PathBuf),
}

impl Instances {
    /// Writes the app files, one for each instance; `app` gets the instance's name and data directory. Nothing runs yet.
    ///
    /// # Errors
    /// [`Failure::Environment`] when a file cannot be made.
    pub(crate) fn prepare(
        program: &Program,
        directory: &Path,
        names: &[&str],
        app: impl Fn(&str, &Path) -> String,
        interruption: &Interruption,
    ) -> Result<Self, Failure> {
        let work = tempfile::Builder::new().prefix("riverrun-instances-").tempdir_in(directory);
        let work = work.or_environment("cannot make a directory for the instances")?;
        let mut list = Vec::new();
        for name in names {
            let data_directory = work.path().join(format!("{name}-data"));
            let app_file = work.path().join(format!("{name}.yaml"));
            std::fs::write(&app_file, app(name, &data_directory)).or_environment("cannot write the app file")?;
            let log = work.path().join(format!("{name}.log"));
            let (program, arguments) = match program {
                Program::CommandLine(program) => (program, vec!["-f".into(), app_file.into(), "run".into()]),
                Program::Service(program) => (program, vec![app_file.into()]),
            };
            let launch = Launch { program: program.clone(), arguments, data_directory, log, sabotage: None };
            list.push(Instance { launch, server: None });
        }
        let addresses = Arc::new(Mutex::new(vec![None; list.len()]));
        Ok(Self { list, addresses, interruption: interruption.clone(), work })
    }

    /// From its next start on one gets these words on its command line, besides.
    pub(crate) fn add_arguments(&mut self, number: usize, words: &[&str]) {
        if let Some(instance) = self.list.get_mut(number) {
            instance.launch.arguments.extend(words.iter().map(Into::into));
        }
    }

    /// From their next starts on all break a promise.
    pub(crate) fn sabotage(&mut self, switch: &str) {
        self.list.iter_mut().for_each(|instance| instance.launch.sabotage = Some(switch.to_owned()));
    }

    /// From its next start on the clock of one is off by so much, for example `+3600` seconds.
    ///
    /// # Errors
    /// [`Failure::Environment`] when there is no libfaketime.
    pub(crate) fn set_clock(&mut self, number: usize, offset: &str) -> Result<(), Failure> {
        let library = library().ok_or_else(|| Failure::Environment("there is no libfaketime".to_owned()))?;
        let file = self.work.path().join(format!("{number}-clock"));
        std::fs::write(&file, offset).or_environment("cannot set the clock")?;
        if let Some(instance) = self.list.get_mut(number) {
            instance.launch = with_clock(instance.launch.clone(), &library, &file);
        }
        Ok(())
    }

    /// Whether the log of one of them has these words.
    ///
    /// # Errors
    /// [`Failure::Environment`] when a log cannot be read.
    pub(crate) fn have_said(&self, words: &str) -> Result<bool, Failure> {
        for instance in &self.list {
            let log = std::fs::read(&instance.launch.log).or_environment("cannot read a log")?;
            if String::from_utf8_lossy(&log).contains(words) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many there are, running or not.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// Where they are to be reached; it changes as they come and go.
    pub(crate) fn addresses(&self) -> Addresses {
        Arc::clone(&self.addresses)
    }

    /// Starts one, without waiting for anything.
    ///
    /// # Errors
    /// [`Failure::Environment`] when it cannot be started.
    pub(crate) fn start(&mut self, number: usize) -> Result<(), Failure> {
        if let Some(instance) = self.list.get_mut(number) {
            instance.server = Some(Server::spawn(&instance.launch)?);
        }
        Ok(())
    }

    /// Starts all and waits until they are ready.
    ///
    /// # Errors
    /// [`Failure::Broken`] when one does not come up.
    pub(crate) fn start_all(&mut self) -> Result<(), Failure> {
        (0..self.count()).try_for_each(|number| self.start(number))?;
        self.wait_ready()
    }

    /// Waits until all that run are ready.
    ///
    /// # Errors
    /// [`Failure::Broken`] when one does not come up.
    pub(crate) fn wait_ready(&mut self) -> Result<(), Failure> {
        for instance in &mut self.list {
            if let Some(server) = &mut instance.server {
                server.wait_ready(&self.interruption)?;
            }
        }
        self.look()
    }

    /// kill -9.
    ///
    /// # Errors
    /// [`Failure::Broken`] when it had ended by itself, [`Failure::Environment`] when it cannot be killed.
    pub(crate) fn kill(&mut self, number: usize) -> Result<(), Failure> {
        self.hide(number);
        match self.list.get_mut(number).and_then(|instance| instance.server.take()) {
            Some(mut server) => {
                server.check_running()?;
                server.kill()
            }
            None => Ok(()),
        }
    }

    /// Stops every thread of one where it is. Its address stays: whoever speaks to it gets no answer.
    ///
    /// # Errors
    /// [`Failure::Environment`] when it cannot be stopped.
    pub(crate) fn freeze(&self, number: usize) -> Result<(), Failure> {
        self.list.get(number).and_then(|instance| instance.server.as_ref()).map_or(Ok(()), Server::freeze)
    }

    /// Lets one go on that was stopped.
    ///
    /// # Errors
    /// [`Failure::Environment`] when it cannot be signalled.
    pub(crate) fn wake(&self, number: usize) -> Result<(), Failure> {
        self.list.get(number).and_then(|instance| instance.server.as_ref()).map_or(Ok(()), Server::wake)
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// [`Failure::Broken`] when it does not end well.
    pub(crate) fn end(&mut self, number: usize) -> Result<(), Failure> {
        self.hide(number);
        match self.list.get_mut(number).and_then(|instance| instance.server.take()) {
            Some(server) => server.end(&self.interruption),
            None => Ok(()),
        }
    }

    /// Ends all.
    ///
    /// # Errors
    /// As [`Self::end`].
    pub(crate) fn end_all(&mut self) -> Result<(), Failure> {
        (0..self.count()).try_for_each(|number| self.end(number))
    }

    /// Lets time pass, in which those that start tell their addresses and none may end.
    ///
    /// # Errors
    /// [`Failure::Broken`] when one ended by itself.
    pub(crate) fn pass(&mut self, duration: Duration) -> Result<(), Failure> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.look()?;
            self.interruption.sleep(LOOK_EVERY)?;
        }
        Ok(())
    }

    /// The address of one that is ready.
    ///
    /// # Errors
    /// [`Failure::Environment`] when it does not run.
    pub(crate) fn address(&self, number: usize) -> Result<SocketAddr, Failure> {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let address = addresses.get(number).copied().flatten();
        address.ok_or_else(|| Failure::Environment(format!("instance {number} does not run")))
    }

    /// A command of the command line, in the directory of the instances.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.work.path());
        command
    }

    /// Copies logs and app files to `keep`, each file's name beginning with `title`.
    pub(crate) fn keep_evidence(&self, keep: &Path, title: &str) {
        for instance in &self.list {
            let name = instance.launch.log.file_name().unwrap_or_default().to_string_lossy();
            let kept = keep.join(format!("{title}-{name}"));
            match std::fs::copy(&instance.launch.log, &kept) {
                Ok(_) => say(format!("  kept {}", kept.display())),
                Err(error) => say(format!("  {name} cannot be kept: {error}")),
            }
        }
    }

    fn hide(&mut self, number: usize) {
        if let Some(place) = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).get_mut(number) {
            *place = None;
        }
    }

    fn look(&mut self) -> Result<(), Failure> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        for (instance, address) in self.list.iter_mut().zip(addresses.iter_mut()) {
            if let Some(server) = &mut instance.server {
                server.check_running()?;
                *address = server.address();
            }
        }
        Ok(())
    }
}
