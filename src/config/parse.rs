//! YAML text -> [`Node`] with places. Syntax errors and duplicate keys come back as faults.

use super::errors::Fault;
use super::tree::{Entry, Node, NodeKind, Place, plain_value};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::Value;
use std::collections::BTreeMap;

/// Deeper nesting than any experiment has; keeps hostile files from exhausting the stack.
const MAX_DEPTH: usize = 64;
/// More nodes than any experiment has; keeps aliases of aliases from exhausting the memory.
const MAX_NODES: usize = 100_000;

/// Parses one YAML document that came from source number `source`. An empty text is null; broken YAML gives
/// no node.
pub(super) fn parse(text: &str, source: usize) -> (Option<Node>, Vec<Fault>) {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        source,
        path: Vec::new(),
        anchors: BTreeMap::new(),
        nodes: 0,
        faults: Vec::new(),
    };
    let start = Place { source, line: 1, column: 1, width: 1 };
    let null = || Node { place: start, kind: NodeKind::Scalar(Value::Null, String::new()) };
    let root = match reader.document() {
        Ok(root) => Some(root.unwrap_or_else(null)),
        Err(fault) => {
            reader.faults.push(fault);
            None
        }
    };
    (root, reader.faults)
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    source: usize,
    path: Vec<String>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Option<Node>, Fault> {
        loop {
            match self.next()? {
                Some((Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _)) => {}
                None | Some((Event::StreamEnd | Event::DocumentEnd, _)) => return Ok(None),
                Some((event, span)) => {
                    let root = self.node(event, span)?;
                    while let Some((event, span)) = self.next()? {
                        if matches!(event, Event::DocumentStart(_)) {
                            return Err(self.fault(span, "a second YAML document in one file is not supported"));
                        }
                    }
                    return Ok(Some(root));
                }
            }
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Fault> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => Err(self.syntax(&error)),
        }
    }

    fn syntax(&self, error: &ScanError) -> Fault {
        let marker = *error.marker();
        self.fault(Span::empty(marker), &format!("not valid YAML: {}", error.info()))
    }

    fn fault(&self, span: Span, message: &str) -> Fault {
        Fault { place: Some(self.place(span)), path: self.path.join("."), message: message.into() }
    }

    fn place(&self, span: Span) -> Place {
        let one_line = span.start.line() == span.end.line();
        let width = if one_line { span.end.col().saturating_sub(span.start.col()).max(1) } else { 1 };
        Place { source: self.source, line: span.start.line().max(1), column: span.start.col() + 1, width }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Fault> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES || self.path.len() > MAX_DEPTH {
            return Err(self.fault(span, "too large or too deeply nested for an experiment file"));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node, Fault> {
        self.count(1, span)?;
        let place = self.place(span);
        let (kind, anchor) = match event {
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let mut node =
                    node.ok_or_else(|| self.fault(span, "this alias refers to itself or to an unknown anchor"))?;
                let mut below = 0;
                node.walk(&mut Vec::new(), &mut |_, _| below += 1);
                self.count(below, span)?;
                node.place = place;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = match self.tagged_text(tag.as_deref(), span)? || style != ScalarStyle::Plain {
                    true => Value::String(text.to_string()),
                    false => plain_value(&text),
                };
                (NodeKind::Scalar(value, text.into_owned()), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.tagged_text(tag.as_deref(), span)?;
                let mut items = Vec::new();
                while let Some((event, span)) = self.next()? {
                    if event == Event::SequenceEnd {
                        break;
                    }
                    self.path.push(items.len().to_string());
                    items.push(self.node(event, span)?);
                    self.path.pop();
                }
                (NodeKind::List(items), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.tagged_text(tag.as_deref(), span)?;
                (NodeKind::Map(self.entries()?), anchor)
            }
            _ => return Err(self.fault(span, "not valid YAML: a value was expected here")),
        };
        // A block map is announced at its first key, or at the character after it in some styles: take the key's place.
        let place = match &kind {
            NodeKind::Map(entries) => entries.first().map_or(Place { width: 1, ..place }, |entry| entry.place),
            NodeKind::List(_) => Place { width: 1, ..place },
            NodeKind::Scalar(..) => place,
        };
        let node = Node { place, kind };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn entries(&mut self) -> Result<Vec<Entry>, Fault> {
        let mut entries: Vec<Entry> = Vec::new();
        while let Some((event, span)) = self.next()? {
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(self.fault(span, "a key must be a plain name")),
            };
            let place = self.place(span);
            self.path.push(key.clone());
            let Some((event, value_span)) = self.next()? else { break };
            let value = self.node(event, value_span)?;
            match entries.iter().find(|known| known.key == key) {
                Some(first) => {
                    let line = first.place.line;
                    let message = format!("duplicate key '{key}' (first given in line {line})");
                    let fault = self.fault(span, &message);
                    self.faults.push(fault);
                }
                None => entries.push(Entry { key, place, value }),
            }
            self.path.pop();
        }
        Ok(entries)
    }

    /// Whether a tag says "text" (`!!str`); tags beyond YAML's own are refused.
    fn tagged_text(&self, tag: Option<&Tag>, span: Span) -> Result<bool, Fault> {
        match tag {
            None => Ok(false),
            Some(tag) if tag.is_yaml_core_schema() => Ok(tag.suffix == "str"),
            Some(tag) => {
                Err(self.fault(span, &format!("YAML tags such as '{}{}' are not supported", tag.handle, tag.suffix)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_fault(text: &str) -> (usize, usize, String) {
        let (_, faults) = parse(text, 0);
        let fault = faults.first().expect("a fault");
        let place = fault.place.expect("a place");
        (place.line, place.column, format!("{}: {}", fault.path, fault.message))
    }

    #[test]
    fn places_are_those_of_an_editor() {
        let (node, faults) = parse("a:\n  b: fast\n  c: [1, 2]\n", 3);
        assert!(faults.is_empty());
        let place = |path: &[&str]| {
            let path: Vec<String> = path.iter().map(|step| step.to_string()).collect();
            let value = node.as_ref().unwrap().get(&path).unwrap().place;
            let key = node.as_ref().unwrap().place_of(&path).unwrap();
            ((key.line, key.column, key.width), (value.line, value.column, value.width))
        };
        assert_eq!(place(&["a", "b"]), ((2, 3, 1), (2, 6, 4)));
        assert_eq!(place(&["a", "c", "1"]).1, (3, 10, 1));
        assert_eq!(place(&["a"]), ((1, 1, 1), (2, 3, 1)));
        assert_eq!(node.as_ref().unwrap().place.source, 3);
    }

    #[test]
    fn duplicate_keys_are_faults_with_both_lines() {
        let expected = (3, 3, "opt.lr: duplicate key 'lr' (first given in line 2)".to_string());
        assert_eq!(first_fault("opt:\n  lr: 1\n  lr: 2\n"), expected);
    }

    #[test]
    fn broken_yaml_is_a_fault_with_a_place() {
        let (line, _, message) = first_fault("a: [1, 2\nb: 3\n");
        assert!(line >= 1 && message.contains("not valid YAML"), "{line} {message}");
        assert!(first_fault("a: !lua x").2.contains("are not supported"));
        assert!(first_fault("a: 1\n---\nb: 1\n").2.contains("second YAML document"));
        assert!(first_fault("[a, b]: 1").2.contains("plain name"));
    }

    #[test]
    fn hostile_nesting_is_refused_instead_of_exhausting_the_machine() {
        assert!(!parse(&"[".repeat(100_000), 0).1.is_empty());
        let mut bomb = String::from("a0: &a0 [x, x]\n");
        for level in 1..40 {
            bomb += &format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1);
        }
        assert!(first_fault(&bomb).2.contains("too large"));
    }

    #[test]
    fn an_alias_repeats_what_its_anchor_marks() {
        let (node, faults) = parse("a: &x {b: 1}\nc: *x\n", 0);
        assert!(faults.is_empty());
        assert_eq!(node.unwrap().to_json(), serde_json::json!({"a": {"b": 1}, "c": {"b": 1}}));
    }

    #[test]
    fn an_empty_text_is_null() {
        for text in ["", "# nothing\n", "---\n"] {
            let (node, faults) = parse(text, 0);
            assert!(faults.is_empty() && node.unwrap().to_json().is_null(), "{text:?}");
        }
    }
}
