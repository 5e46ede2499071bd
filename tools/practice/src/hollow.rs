//! Takes the bodies out of functions, and puts them back: by byte ranges of the text, so that
//! every other byte of the learner's file stays as it is.

use std::collections::HashSet;
use std::ops::Range;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::{Attribute, Block, ImplItem, Item, Visibility};

/// The line that keeps the compiler from warning about what only the missing bodies used.
const ALLOW: &str = "#![allow(unused)] // while something is left to write: make practice";

/// A function in a text.
pub struct Function {
    /// As `wait`, `Container::wait` or `Drop for Container::drop`.
    pub name: String,
    /// From its visibility to its closing brace; doc comments come before.
    pub whole: Range<usize>,
    /// From brace to brace.
    pub block: Range<usize>,
}

/// A text whose functions are known.
pub struct Source<'text> {
    text: &'text str,
    file: syn::File,
    /// syn does not see a byte order mark, nor a `#!` line.
    offset: usize,
}

impl<'text> Source<'text> {
    /// Parses a file.
    ///
    /// # Errors
    /// The text is not Rust; line and column are named.
    pub fn parse(text: &'text str) -> Result<Self> {
        let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
        if rest.starts_with("#!") && !rest.starts_with("#![") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let file = syn::parse_str(rest).map_err(|error| {
            let start = error.span().start();
            anyhow::anyhow!("line {}, column {}: {error}", start.line, start.column + 1)
        })?;
        Ok(Source { text, file, offset: text.len() - rest.len() })
    }

    fn range(&self, start: proc_macro2::Span, end: proc_macro2::Span) -> Range<usize> {
        start.byte_range().start + self.offset..end.byte_range().end + self.offset
    }

    /// All functions of the file's top level and of its impl blocks.
    pub fn functions(&self) -> Vec<Function> {
        let mut all = Vec::new();
        for item in &self.file.items {
            match item {
                Item::Fn(it) => {
                    all.push(self.function(it.sig.ident.to_string(), &it.vis, &it.sig, &it.block));
                }
                Item::Impl(block) => {
                    let of = names::type_name(&block.self_ty);
                    let of = match &block.trait_ {
                        Some((_, path, _)) => format!("{} for {of}", names::path_name(path)),
                        None => of,
                    };
                    for item in &block.items {
                        if let ImplItem::Fn(it) = item {
                            let name = format!("{of}::{}", it.sig.ident);
                            all.push(self.function(name, &it.vis, &it.sig, &it.block));
                        }
                    }
                }
                _ => {}
            }
        }
        all
    }

    fn function(
        &self,
        name: String,
        visibility: &Visibility,
        signature: &syn::Signature,
        block: &Block,
    ) -> Function {
        let start = match visibility {
            Visibility::Inherited => signature.span(),
            visibility => visibility.span(), // the signature's span begins behind it
        };
        let braces = &block.brace_token.span;
        Function {
            name,
            whole: self.range(start, braces.close()),
            block: self.range(braces.open(), braces.close()),
        }
    }

    /// The function of this full name.
    pub fn find(&self, name: &str) -> Result<Function> {
        let found = self.functions().into_iter().find(|function| function.name == name);
        found.with_context(|| format!("there is no function {name}: was it renamed or moved?"))
    }

    /// The text of a function, from its visibility to its closing brace.
    pub fn function_text(&self, name: &str) -> Result<&'text str> {
        Ok(&self.text[self.find(name)?.whole])
    }

    /// Private constants: name, and the lines with their comments.
    fn constants(&self) -> Vec<(String, Range<usize>)> {
        let constant = |item: &Item| {
            let (name, attributes, visibility) = match item {
                Item::Const(it) => (&it.ident, &it.attrs, &it.vis),
                Item::Static(it) => (&it.ident, &it.attrs, &it.vis),
                _ => return None,
            };
            let private = matches!(visibility, Visibility::Inherited);
            let start = attributes.first().map_or(item.span(), Attribute::span);
            private.then(|| (name.to_string(), self.range(start, item.span())))
        };
        self.file.items.iter().filter_map(constant).collect()
    }
}

/// Replaces the bodies of `functions`: the comments `way` and `todo!` with `message` are left.
/// Constants that nothing else uses go, too, because they give the answer away.
///
/// # Errors
/// The text is not Rust, or has no such function.
pub fn hollow(
    text: &str,
    functions: &[&str],
    way: &[String],
    message: &str,
    other_files: &[String],
) -> Result<String> {
    let source = Source::parse(text)?;
    let mut blocks = Vec::new();
    for name in functions {
        let function = source.find(name)?;
        ensure_can_be_hollow(name, &text[function.whole.start..function.block.start])?;
        blocks.push(function.block);
    }
    blocks.sort_by_key(|block| std::cmp::Reverse(block.start));
    let mut hollowed = text.to_owned();
    let mut removed = String::new();
    for block in blocks {
        removed.push_str(&text[block.clone()]);
        let indent = indent_of(text, block.end - 1);
        hollowed.replace_range(block, &hole(&indent, way, message));
    }
    drop_constants(&hollowed, &removed, other_files)
}

fn hole(indent: &str, way: &[String], message: &str) -> String {
    let comments: String = way.iter().map(|line| format!("{indent}    // {line}\n")).collect();
    format!("{{\n{comments}{indent}    todo!({message:?})\n{indent}}}")
}

/// The white space before the line in which `at` is.
fn indent_of(text: &str, at: usize) -> String {
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[line..].chars().take_while(|c| *c == ' ' || *c == '\t').collect()
}

/// Until none is left that only the removed bodies used: one constant may use another.
fn drop_constants(text: &str, removed: &str, other_files: &[String]) -> Result<String> {
    let mut text = text.to_owned();
    let mut removed = removed.to_owned();
    loop {
        let used_there = words(&removed)?;
        let source = Source::parse(&text)?;
        let only_there = |(name, range): &(String, Range<usize>)| {
            let rest = format!("{}{}", &text[..range.start], &text[range.end..]);
            let elsewhere = other_files.iter().chain([&rest]).any(|file| mentions(file, name));
            used_there.contains(name) && !elsewhere
        };
        let Some((_, range)) = source.constants().into_iter().find(only_there) else {
            return Ok(text);
        };
        removed.push_str(&text[range.clone()]);
        let end = range.end + text[range.end..].len()
            - text[range.end..].trim_start_matches(['\n', '\r']).len();
        text.replace_range(range.start..end, "");
    }
}

fn mentions(text: &str, name: &str) -> bool {
    words(text).is_ok_and(|words| words.contains(name))
}

/// All identifiers of a text.
fn words(text: &str) -> Result<HashSet<String>> {
    fn collect(stream: TokenStream, into: &mut HashSet<String>) {
        for token in stream {
            match token {
                TokenTree::Ident(ident) => drop(into.insert(ident.to_string())),
                TokenTree::Group(group) => collect(group.stream(), into),
                _ => {}
            }
        }
    }
    let mut words = HashSet::new();
    let stream = TokenStream::from_str(text).map_err(|error| anyhow::anyhow!("{error}"))?;
    collect(stream, &mut words);
    Ok(words)
}

/// The text with the line that keeps warnings away, behind the comments of the file.
pub fn with_allowance(text: &str) -> Result<String> {
    if text.contains(ALLOW) {
        return Ok(text.to_owned());
    }
    let source = Source::parse(text)?;
    let head =
        source.file.attrs.last().map(|attribute| source.range(attribute.span(), attribute.span()));
    let mut text = text.to_owned();
    match head {
        Some(range) => text.insert_str(range.end, &format!("\n\n{ALLOW}")),
        None => text.insert_str(source.offset, &format!("{ALLOW}\n\n")),
    }
    Ok(text)
}

/// The text without that line, and without the empty line that came with it.
pub fn without_allowance(text: &str) -> String {
    let ways = [format!("\n\n{ALLOW}"), format!("{ALLOW}\n\n"), format!("{ALLOW}\n"), ALLOW.into()];
    let there = ways.iter().find(|way| text.contains(*way));
    there.map_or_else(|| text.to_owned(), |way| text.replacen(way, "", 1))
}

/// The text with the bodies of `functions` as they are in `original`.
pub fn fill(text: &str, original: &str, functions: &[&str]) -> Result<String> {
    let (source, original) = (Source::parse(text)?, Source::parse(original)?);
    let mut parts = Vec::new();
    for name in functions {
        parts.push((source.find(name)?.whole, original.function_text(name)?));
    }
    parts.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut filled = text.to_owned();
    for (range, function) in parts {
        filled.replace_range(range, function);
    }
    Ok(filled)
}

/// Whether two texts are the same to the compiler.
pub fn same_code(one: &str, other: &str) -> bool {
    let code = |text: &str| TokenStream::from_str(text).map(|stream| stream.to_string());
    match (code(one), code(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// The lines, counted from 1, in which something is left to write.
pub fn holes(text: &str) -> Vec<usize> {
    let code = |line: &str| line.find("todo!(").is_some_and(|at| !line[..at].contains("//"));
    text.lines().enumerate().filter(|(_, line)| code(line)).map(|(index, _)| index + 1).collect()
}

/// Fails for functions that would not compile with `todo!()` as their body.
fn ensure_can_be_hollow(name: &str, signature: &str) -> Result<()> {
    let unable = ["const fn", "-> impl", "<impl"].into_iter().find(|it| signature.contains(it));
    match unable {
        Some(it) => bail!("{name}: todo!() does not compile as its body, because of {it}"),
        None => Ok(()),
    }
}

/// Names of types and traits without their parameters.
mod names {
    use syn::{Path, Type};

    pub fn type_name(of: &Type) -> String {
        match of {
            Type::Path(path) => path_name(&path.path),
            _ => String::new(),
        }
    }

    pub fn path_name(path: &Path) -> String {
        path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "hollow/tests.rs"]
mod tests;
