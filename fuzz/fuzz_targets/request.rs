//! Whatever the scan accepts is a message or an error with a place; arguments of every operation likewise. Nothing panics,
//! and what is decoded keeps to the bounds that the rest of the program relies on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::error::RequestError;
use portcullis::file::args::{FileCloseArgs, FileOpenArgs, FileReadArgs};
use portcullis::icmp::args::PingArgs;
use portcullis::limits::{ANY_OF_MAX, CELL_MAX, FILE_READ_MAX, PID_MAX, PING_SIZE_MAX};
use portcullis::nft::args::{ApplyArgs, reference};
use portcullis::nft::ban::{BanArgs, Network};
use portcullis::op::{Op, Role};
use portcullis::proc::args::{ProcessArgs, ProcessesArgs};
use portcullis::proc::columns::COLUMNS;
use portcullis::protocol::reply;
use portcullis::protocol::request::{Message, decode};
use portcullis::protocol::tables;
use portcullis::table::Asked;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::schema::{At, fields};
use portcullis::wire::term::Pairs;
use portcullis::wire::write::Writer;

fuzz_target!(|frame: &[u8]| {
    let Ok(accepted) = validate(frame, &Bounds::PROC) else { return };
    let mut w = Writer::new();
    let role = if frame.len() % 2 == 0 { Role::Proc } else { Role::Net };
    match decode(accepted.term(), role) {
        Err((id, error)) => reply::error(&mut w, id, &error),
        Ok(Message::Request(request)) => {
            let result = match request.row.op {
                Op::Info | Op::Subscribe | Op::Banned | Op::NftJson => Ok(()),
                // What they name is read by the target nft_request, parameters by their own tests.
                Op::Tables => Ok(()),
                Op::Query => query(request.args),
                Op::NftList | Op::SysctlGet | Op::SysctlSet | Op::SysctlList => Ok(()),
                Op::NftApply => ApplyArgs::decode(request.args, &At::Top).map(|_| ()),
                Op::NftConfirm | Op::NftRollback => reference(request.args, &At::Top).map(|_| ()),
                Op::Ban => BanArgs::decode(request.args, &At::Top).map(|args| {
                    assert!(args.network.bits <= args.network.width());
                }),
                Op::Unban => Network::decode(request.args, &At::Top).map(|network| {
                    assert!(network.bits <= network.width());
                }),
                Op::FileOpen => FileOpenArgs::decode(request.args, &At::Top).map(|args| {
                    assert!(args.path.components().all(|name| name != b".."));
                }),
                Op::FileRead => FileReadArgs::decode(request.args, &At::Top).map(|args| {
                    assert!((1..=FILE_READ_MAX).contains(&args.length));
                }),
                Op::FileClose => FileCloseArgs::decode(request.args, &At::Top).map(|_| ()),
                Op::Ping => PingArgs::decode(request.args, &At::Top).map(|args| {
                    assert!(args.size <= PING_SIZE_MAX && !args.address.is_unspecified());
                }),
                Op::Process => ProcessArgs::decode(request.args, &At::Top, true).map(|args| {
                    assert!((1..=CELL_MAX).contains(&args.cell_max) && args.items.len() <= COLUMNS.len());
                    assert!(args.pid.get() <= PID_MAX);
                }),
                Op::Processes => processes(request.args),
            };
            if let Err(error) = result {
                reply::error(&mut w, request.id, &error);
            }
        }
        Ok(Message::Cancel(_) | Message::Credit(..)) => {}
    }
    // An error is an accepted term itself.
    if let Some(body) = w.bytes().get(4..) {
        assert!(validate(body, &Bounds { bytes: 1 << 20, ..Bounds::PROC }).is_ok());
    }
});

fn processes(args: Pairs<'_>) -> Result<(), RequestError> {
    let [columns, conditions, _, _] = fields(args, &At::Top, ["columns", "where", "limit", "cell_max"])?;
    let asked = Asked { columns, conditions, limit: 1, cell_max: 4096, interval: None, at: At::Top };
    ProcessesArgs::decode(&asked).map(|args| {
        assert!(!args.columns.is_empty());
        assert!(args.pids.is_none_or(|pids| pids.len() <= ANY_OF_MAX && pids.is_sorted()));
    })
}

/// The same arguments for every table.
fn query(args: Pairs<'_>) -> Result<(), RequestError> {
    let [_, columns, conditions, _, _, interval] =
        fields(args, &At::Top, ["table", "columns", "where", "limit", "cell_max", "interval"])?;
    for table in tables::of(Role::Proc) {
        let asked = Asked { columns, conditions, limit: 1, cell_max: 4096, interval, at: At::Top };
        if let Ok(rows) = table.query(&asked) {
            assert!(!rows.columns().is_empty());
        }
    }
    Ok(())
}
