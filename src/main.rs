//! The program: everything is in the library, so that tests and fuzz targets reach it.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    portcullis::cli::run()
}
