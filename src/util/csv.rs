//! Records as CSV.

use anyhow::Result;
use csv::WriterBuilder;

/// Lines of records of any lengths, fields quoted where RFC 4180 asks for it, ended by line feeds.
pub fn to_csv<R>(records: impl IntoIterator<Item = R>) -> Result<String>
where
    R: IntoIterator,
    R::Item: AsRef<[u8]>,
{
    let mut out = WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for record in records {
        out.write_record(record)?;
    }
    Ok(String::from_utf8(out.into_inner()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_that_need_it_are_quoted() {
        assert_eq!(to_csv([["plain", "a \"b\", c"], ["é", "x\ny"]]).unwrap(), "plain,\"a \"\"b\"\", c\"\né,\"x\ny\"\n");
    }
}
