//! Rust's structs have the sizes and offsets that C compilers give those of the header: `include/abi/layout_lp64.txt`,
//! with which ctest compares what a C program prints (`tests/abi/layout.c`).

use std::fmt::Write as _;
use std::fs;
use std::mem::{align_of, offset_of};
use std::path::Path;

use crate::errors::TimErrorDesc;
use crate::server::TimServer;
use crate::types::{TimClient, TimResult, TimUserStatus};

/// The lines of a struct. A field that is left out does not compile.
macro_rules! lines {
    ($table:ident, $structure:ident { $($field:ident),+ $(,)? }) => {
        writeln!($table, "{} size {} align {}", stringify!($structure), size_of::<$structure>(), align_of::<$structure>())
            .expect("a String grows");
        $(
            writeln!(
                $table,
                "{}.{} offset {} size {}",
                stringify!($structure),
                stringify!($field),
                offset_of!($structure, $field),
                size_of_field(|value: &$structure| &raw const value.$field),
            )
            .expect("a String grows");
        )+
        const _: fn($structure) = |$structure { $($field: _),+ }| ();
    };
}

fn size_of_field<Structure, Field>(_: fn(&Structure) -> *const Field) -> usize {
    size_of::<Field>()
}

#[test]
fn structs_are_laid_out_as_the_table_says() {
    let mut table = String::new();
    writeln!(table, "TimClient size {}", size_of::<TimClient>()).expect("a String grows");
    writeln!(table, "TimServer size {}", size_of::<TimServer>()).expect("a String grows");
    lines!(
        table,
        TimUserStatus {
            struct_size,
            code,
            status,
            reason,
            platforms,
            reserved,
            version,
            since_ms,
            user_id,
            custom_status,
        }
    );
    lines!(
        table,
        TimResult {
            struct_size,
            code,
            message,
            retry_after_ms,
            reserved,
            items,
            item_count,
            evicted,
            evicted_count,
        }
    );
    lines!(
        table,
        TimErrorDesc {
            struct_size,
            code,
            flags,
            reserved,
            name,
            message,
            details,
        }
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/abi/layout_lp64.txt");
    let committed = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(table, committed);
}
