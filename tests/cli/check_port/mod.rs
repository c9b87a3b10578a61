//! `check-port`: a verdict each in network namespaces, against real daemons and real packet
//! filters; usage; what this machine says of itself.

mod filtered;
mod here;
mod lab;
mod serving;
mod there;
mod usage;
