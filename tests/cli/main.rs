//! Black-box tests: the program as a user runs it. One binary, a module a command.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run programs and read files"
)]

mod check_port;
mod cloud;
mod daemon_control;
mod daemon_defaults;
mod daemon_fields;
mod daemon_idle;
mod daemon_kept;
mod daemon_keys;
mod daemon_life;
mod daemon_logs;
mod daemon_select;
mod daemon_sources;
mod frame;
mod migrate_again;
mod migrate_image;
mod migrate_input;
mod migrate_machine;
mod migrate_managers;
mod migrate_ntpd;
mod migrate_offline;
mod migrate_own;
mod mock;
mod net;
mod refclock;
mod run;
mod serve;
mod serve_addresses;
mod serve_broadcast;
mod serve_control;
mod serve_loss;
mod serve_peers;
mod serve_reload;
mod serve_soak;
mod shared_page;
mod side_by_side;
mod sources;
mod sources_cloud;
mod sources_filtered;
mod sources_hang;
mod sources_keys;
mod sources_lost;
mod sources_machine;
mod sources_next;
mod sources_peers;
mod sources_set;
mod sources_told;
mod status_guest;
mod sync;
mod sync_peers;
mod timezone;
mod timezone_images;
mod timezone_kill;
mod timezone_live;
mod timezone_machine;
mod timezone_odd;
mod timezone_oracle;
