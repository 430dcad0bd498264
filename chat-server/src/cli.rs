//! The command line: which commands and settings exist, each also from the environment. It decides nothing about what
//! the settings mean; that a database is named exactly once is the only rule kept here.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::http::{Origins, TrustedProxies};
use crate::storage::url::Host;
use crate::storage::{MIN_CONNECTIONS, PoolLimits};
use crate::telemetry;

/// The chat's HTTP API and its storage
#[derive(Debug, Parser)]
#[command(name = "chat-server", version)]
pub(crate) struct Cli {
    /// How log lines are written
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty, global = true)]
    pub(crate) log_format: LogFormat,

    /// File to write how a command ended to, as JSON, for the program that started it
    #[arg(long, env = "OUTCOME_FILE", value_name = "FILE", global = true)]
    pub(crate) outcome: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer HTTP requests until SIGTERM or SIGINT
    #[command(after_help = telemetry::HELP)]
    Serve(ServeArgs),
    /// Bring the database's schema to this version, then exit; with 5 if a newer release has left a schema that this
    /// one doesn't work on
    Migrate(MigrateArgs),
    /// What the bot says: check it, put it in force, get it back
    #[command(subcommand)]
    Content(ContentCommand),
    /// Take over the chats of another program
    #[command(subcommand)]
    Import(ImportCommand),
    /// Write everything that is kept as JSON Lines
    Export(ExportArgs),
    /// Delete old messages, and the chats that are empty then
    Purge(PurgeArgs),
    /// List what people said most that no dialogue answers
    Unanswered(UnansweredArgs),
    /// Print the API's description (OpenAPI 3.1)
    Openapi,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContentCommand {
    /// Say everything that is wrong with a content file, by line. Exits with 3 if something is
    Check(ContentFile),
    /// Check a content file and put it in force on all running servers. Exits with 3 if the file is refused
    Apply {
        #[command(flatten)]
        file: ContentFile,

        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Go back to the built-in content
    Clear(DatabaseArgs),
    /// Print the content that is in force
    Export(DatabaseArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ContentFile {
    /// YAML file with greetings, fallbacks and dialogues; - is standard input
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// The prototype's SQLite file, which is only read. Running it again goes on where it ended. Exits with 3 if the
    /// file, or a row of it, is refused
    Sqlite(ImportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The prototype's file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Write the rows that can't be taken to this file, as JSON Lines, and import the others
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,

    /// Compare the file with what is in the database, when it is imported or if it was before
    #[arg(long)]
    pub(crate) verify: bool,

    /// Check the file and report, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// File to write, which must not exist yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    /// Delete what is older than this, such as 90d or 6months
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    pub(crate) older_than: Duration,

    /// Say what would be deleted, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Allow an age of less than a day
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UnansweredArgs {
    /// The most texts to list
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub(crate) limit: usize,

    /// Only what was said within this time, such as 30d
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    pub(crate) since: Option<Duration>,

    /// YAML file with the dialogues [default: the database's, else built in]
    #[arg(long, value_name = "FILE")]
    pub(crate) content: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address and port to listen on
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,

    /// Connect to this host instead of the URL's, such as a connection pool in front of the database
    #[arg(long, env = "DATABASE_HOST", value_name = "HOST[:PORT]")]
    pub(crate) database_host: Option<Host>,

    #[command(flatten)]
    pub(crate) pool: PoolArgs,

    /// YAML file with greetings, fallbacks and dialogues, instead of what was applied to the database
    #[arg(long, env = "CONTENT_FILE", value_name = "FILE")]
    pub(crate) content: Option<PathBuf>,

    /// Directory of the built page to serve at /, for local runs
    #[arg(long, env = "STATIC_DIR", value_name = "DIR")]
    pub(crate) static_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// The connections to PostgreSQL.
#[derive(Debug, Args)]
pub(crate) struct PoolArgs {
    /// The most connections to PostgreSQL, of which 2 are for messages
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 10, value_name = "N",
        value_parser = clap::value_parser!(u32).range(i64::from(MIN_CONNECTIONS)..=1000))]
    database_connections: u32,

    /// How long a connection to PostgreSQL is used before a new one takes its place, such as 30m
    #[arg(long, env = "DATABASE_CONNECTION_LIFETIME", default_value = "30m", value_name = "AGE",
        value_parser = humantime::parse_duration)]
    database_connection_lifetime: Duration,
}

impl PoolArgs {
    pub(crate) fn limits(&self) -> PoolLimits {
        PoolLimits {
            connections: self.database_connections,
            lifetime: self.database_connection_lifetime,
        }
    }
}

/// What clients may do.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// Origins of other pages that may use the API from a browser, with commas between them
    #[arg(
        long,
        env = "CORS_ORIGINS",
        value_name = "ORIGINS",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) cors_origins: Origins,

    /// Requests per second of one client, twice as many at once; 0 is no limit
    #[arg(
        long,
        env = "RATE_LIMIT",
        value_name = "REQUESTS",
        default_value_t = 50
    )]
    pub(crate) rate_limit: u32,

    /// Networks of proxies that are believed which client they speak for (X-Forwarded-For)
    #[arg(long, env = "TRUSTED_PROXIES", value_name = "NETWORKS", default_value = TrustedProxies::NEIGHBOURS)]
    pub(crate) trusted_proxies: TrustedProxies,

    /// Connections at once; more wait until one is closed
    #[arg(
        long,
        env = "MAX_CONNECTIONS",
        value_name = "NUMBER",
        default_value = "10000"
    )]
    pub(crate) max_connections: NonZeroU32,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,

    /// Change nothing: exit with 0 if the schema is up to date, 3 if it is behind, 4 if it is ahead and this release
    /// works on it, 5 if it is ahead and this release doesn't
    #[arg(long)]
    pub(crate) check: bool,

    /// Change nothing: say which migrations would be applied
    #[arg(long, env = "MIGRATE_DRY_RUN", conflicts_with = "check")]
    pub(crate) dry_run: bool,
}

/// Where the database is: exactly one of the two. The values of the environment are hidden from `--help`, because a
/// URL holds a password.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct DatabaseArgs {
    /// `postgres://user:password@host/name` or `sqlite://path`
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,

    /// File that holds the database URL
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE")]
    pub(crate) database_url_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// One JSON object a line
    Json,
    /// For people
    Pretty,
}
