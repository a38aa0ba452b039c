//! The schema of libnftables-json(5) as terms: reading it strictly, with the path of what is wrong, and writing it. Reading and
//! writing of one thing stand in one file.
#![forbid(unsafe_code)]
