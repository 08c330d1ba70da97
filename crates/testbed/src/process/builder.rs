use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use super::Process;
use super::child::Child;
use super::log::Log;
use crate::folder::Folder;
use crate::program::find_program;

/// The only settings a process inherits. Anything else could change what a service does from machine to machine.
const INHERITED: [&str; 5] = ["PATH", "HOME", "TMPDIR", "RUST_LOG", "LLVM_PROFILE_FILE"];

/// What to start, and how.
#[derive(Debug)]
#[must_use]
pub struct ProcessBuilder {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    folder: Option<PathBuf>,
}

impl ProcessBuilder {
    pub(super) fn new(name: String, program: &OsStr) -> Self {
        Self {
            name,
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            folder: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets one environment variable; the last value given to a name counts.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets several environment variables.
    pub fn envs<N: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.env.extend(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        self
    }

    /// Puts the log, `NAME.log`, in this folder, which is the working folder too. An existing log is continued.
    /// Without this the process has a temporary folder of its own.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Starts the program.
    pub fn spawn(self) -> anyhow::Result<Process> {
        let program = find_program(&self.program)
            .with_context(|| format!("no such program: {}", self.program.display()))?;
        // It is started in another folder.
        let program = std::path::absolute(program)?;
        let own_folder = if self.folder.is_none() {
            Some(Folder::new(&self.name)?)
        } else {
            None
        };
        let folder = self
            .folder
            .as_deref()
            .or(own_folder.as_ref().map(Folder::path))
            .unwrap_or(Path::new("."));
        let (log, output) = Log::create(folder.join(format!("{}.log", self.name)))?;

        let mut command = die_with_parent(&program);
        command
            .args(&self.args)
            .env_clear()
            .envs(
                INHERITED
                    .iter()
                    .filter_map(|name| Some((name, env::var_os(name)?))),
            )
            .envs(&self.env)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = Child::spawn(command)
            .with_context(|| format!("could not start {}", program.display()))?;
        Ok(Process {
            name: self.name,
            child,
            log,
            _own_folder: own_folder,
        })
    }
}

/// A command for `program` that the kernel kills when the test process ends, however it ends.
///
/// The program stays in the test's process group, so that a runner that kills the group on a time limit reaches
/// it, too. Where `setpriv` (util-linux) is missing, that is all there is.
fn die_with_parent(program: &Path) -> Command {
    match find_program("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}
