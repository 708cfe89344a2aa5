//! Who runs the server: oneself, or the system's `postgres` for root, as which PostgreSQL refuses to run.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::services::child::{tied, tied_as};

const NAME: &str = "postgres";

/// A user of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Account {
    /// Who runs this process.
    Own,
    /// [`NAME`].
    Postgres { user: u32, group: u32 },
}

impl Account {
    /// Who may run the server.
    ///
    /// # Errors
    /// This is root, and there is no user for it.
    pub(super) fn find() -> Result<Self, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        Ok(Self::Postgres { user: identity("-u")?, group: identity("-g")? })
    }

    /// A command of this user that ends with this process, in a folder that the user may enter.
    pub(super) fn command(self, program: &Path, folder: &Path) -> Command {
        let mut command = match self {
            Self::Own => tied(program),
            Self::Postgres { .. } => tied_as(NAME, program),
        };
        // A process group of its own: an interrupt from the keyboard is for this program, which then ends the server. Messages are
        // looked into, hence the language.
        command.current_dir(folder).env("LC_ALL", "C").process_group(0);
        command
    }

    /// Gives files to this user.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn own(self, paths: &[&Path]) -> Result<(), Failure> {
        if let Self::Postgres { user, group } = self {
            for path in paths {
                chown(path, Some(user), Some(group))
                    .map_err(|error| format!("cannot give {} to the user {NAME}: {error}", path.display()))?;
            }
        }
        Ok(())
    }
}

fn identity(which: &str) -> Result<u32, Failure> {
    let output =
        Command::new("id").args([which, NAME]).output().map_err(|error| format!("cannot start id: {error}"))?;
    let number = String::from_utf8_lossy(&output.stdout).trim().parse();
    number.map_err(|_| {
        format!("PostgreSQL does not run as root, and there is no user {NAME} here; make one: useradd --system {NAME}")
            .into()
    })
}
