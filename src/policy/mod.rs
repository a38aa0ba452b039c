pub mod permit;
