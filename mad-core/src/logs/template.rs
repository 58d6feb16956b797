//! One template: the tokens that its lines share, and what varies between them.

use serde::{Deserialize, Serialize};

use super::token::{Token, TokenKind};
use super::tokenize::MOST_TOKENS;

/// Tokens that may stand in the place of one variable part.
const MOST_ALIGNED: usize = 5;

/// How a template and a line of more or fewer tokens fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alignment {
    /// The template has one variable part where the line has several tokens.
    Wider,
    /// The line has one variable part where the template has several tokens.
    Narrower,
}

/// One token of a template.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Piece {
    class: u64,
    /// Where its text ends in the text of all tokens.
    end: u32,
    kind: PieceKind,
    spaced: bool,
    groups: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum PieceKind {
    Mark,
    Word,
    Soft,
    Variable,
    /// Several variable parts behind each other.
    Run,
}

impl PieceKind {
    /// Whether it becomes variable when a second value is seen.
    fn is_soft(self) -> bool {
        matches!(self, Self::Soft | Self::Run)
    }
}

/// A template with its lines so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Template {
    pub count: u64,
    /// Number of the newest line.
    pub last: u64,
    /// Tokens that become variable when a second value is seen.
    #[serde(skip)]
    soft: u32,
    pieces: Vec<Piece>,
    #[serde(with = "serde_bytes")]
    text: Vec<u8>,
}

impl Template {
    /// The template of a first line.
    pub fn new(line: &[u8], tokens: &[Token]) -> Self {
        let mut new = Self { count: 0, last: 0, soft: 0, pieces: Vec::new(), text: Vec::new() };
        new.pieces.reserve_exact(tokens.len());
        for token in tokens {
            let kind = match token.kind {
                TokenKind::Mark => PieceKind::Mark,
                TokenKind::Word => PieceKind::Word,
                TokenKind::Soft => PieceKind::Soft,
                TokenKind::Variable => PieceKind::Variable,
            };
            let kind = if token.kind == TokenKind::Variable && token.groups > 0 {
                PieceKind::Run
            } else {
                kind
            };
            if token.kind == TokenKind::Mark {
                new.text.push(token.class as u8);
            } else if token.kind != TokenKind::Variable && token.groups == 0 {
                new.text.extend_from_slice(token.text(line));
            }
            new.soft += u32::from(kind.is_soft());
            let end = new.text.len() as u32;
            let (class, spaced, groups) = (token.spaced_class(), token.spaced, token.groups);
            new.pieces.push(Piece { class, end, kind, spaced, groups });
        }
        new
    }

    /// The template of every line: the last resort.
    pub fn of_all() -> Self {
        let piece = Piece { class: 0, end: 0, kind: PieceKind::Variable, spaced: false, groups: 0 };
        Self { count: 0, last: 0, soft: 0, pieces: vec![piece], text: Vec::new() }
    }

    /// Makes variable what differs in a line of the same classes.
    pub fn see(&mut self, line: &[u8], tokens: &[Token]) {
        if self.soft == 0 || self.pieces.len() != tokens.len() {
            return;
        }
        let mut start = 0;
        for (piece, token) in self.pieces.iter_mut().zip(tokens) {
            let end = piece.end as usize;
            if piece.kind.is_soft() {
                let known = self.text.get(start..end).unwrap_or_default();
                let run = token.kind == TokenKind::Variable;
                let same = run == (piece.kind == PieceKind::Run)
                    && token.groups == piece.groups
                    && (token.groups > 0 || token.text(line) == known);
                if !same {
                    piece.kind = PieceKind::Variable;
                    self.soft -= 1;
                }
            }
            start = end;
        }
    }

    /// Makes the token at a place variable.
    pub fn vary(&mut self, place: usize) {
        if let Some(piece) = self.pieces.get_mut(place) {
            self.soft -= u32::from(piece.kind.is_soft());
            piece.kind = PieceKind::Variable;
        }
    }

    /// Takes in another template of as many tokens: what differs becomes variable.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.last = self.last.max(other.last);
        let (mut start, mut other_start) = (0, 0);
        for (piece, theirs) in self.pieces.iter_mut().zip(&other.pieces) {
            let (end, other_end) = (piece.end as usize, theirs.end as usize);
            let same = piece.class == theirs.class
                && piece.kind == theirs.kind
                && piece.groups == theirs.groups
                && self.text.get(start..end) == other.text.get(other_start..other_end);
            if !same && piece.kind != PieceKind::Variable {
                self.soft -= u32::from(piece.kind.is_soft());
                piece.kind = PieceKind::Variable;
            }
            (start, other_start) = (end, other_end);
        }
    }

    /// Where a line differs, if it has several tokens in the place of one variable part, or one in the
    /// place of several. The words around it must be the same, and at least two.
    pub fn align(&self, tokens: &[Token]) -> Option<Alignment> {
        let (ours, theirs) = (self.pieces.len(), tokens.len());
        let fits = |piece: &&Piece, token: &Token| piece.class == token.spaced_class();
        let shorter = ours.min(theirs);
        let head =
            self.pieces.iter().zip(tokens).take_while(|(piece, token)| fits(piece, token)).count();
        let tail = self.pieces.iter().rev().zip(tokens.iter().rev());
        let tail = tail.take_while(|(piece, token)| fits(piece, token)).count();
        let tail = tail.min(shorter.saturating_sub(head));
        let mine = self.pieces.get(head..ours - tail)?;
        let other = tokens.get(head..theirs - tail)?;
        let words = tokens
            .iter()
            .enumerate()
            .filter(|(at, token)| {
                token.kind == TokenKind::Word && (*at < head || *at >= theirs - tail)
            })
            .count();
        let few = 2..=MOST_ALIGNED;
        if words < 2 || head == 0 {
            return None;
        }
        match (mine, other) {
            ([one], many) if one.kind == PieceKind::Variable && few.contains(&many.len()) => {
                many.iter().any(|token| token.kind != TokenKind::Word).then_some(Alignment::Wider)
            }
            (many, [one]) if one.kind == TokenKind::Variable && few.contains(&many.len()) => many
                .iter()
                .any(|piece| piece.kind != PieceKind::Word)
                .then_some(Alignment::Narrower),
            _ => None,
        }
    }

    /// Takes the tokens of a line in place of the present ones.
    pub fn replace(&mut self, line: &[u8], tokens: &[Token]) {
        let new = Self::new(line, tokens);
        (self.soft, self.pieces, self.text) = (new.soft, new.pieces, new.text);
    }

    /// Checks a saved template and restores the count that is not saved.
    pub fn restore(&mut self) -> bool {
        self.soft = self.pieces.iter().filter(|piece| piece.kind.is_soft()).count() as u32;
        self.pieces.is_sorted_by_key(|piece| piece.end)
            && self.pieces.last().map_or(0, |piece| piece.end as usize) == self.text.len()
            && self.pieces.len() <= MOST_TOKENS * 2
    }

    /// How many tokens it has.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Its text, with `<*>` for each variable part.
    pub fn render(&self) -> String {
        const ANY: &str = "<*>";
        let mut out = String::new();
        let mut start = 0;
        for piece in &self.pieces {
            let end = piece.end as usize;
            if piece.spaced && !out.is_empty() {
                out.push(' ');
            }
            if piece.kind == PieceKind::Variable || piece.groups > 0 {
                // parts that touch, or that a dot divides, are one
                if !piece.spaced && out.ends_with("<*>.") {
                    out.pop();
                }
                if piece.spaced || !out.ends_with(ANY) {
                    out.push_str(ANY);
                }
                let between = match piece.kind {
                    PieceKind::Variable => "",
                    PieceKind::Run => " ",
                    _ => ":",
                };
                for _ in 1..if between.is_empty() { 0 } else { piece.groups } {
                    out.push_str(between);
                    out.push_str(ANY);
                }
            } else {
                let text = self.text.get(start..end).unwrap_or_default();
                out.push_str(&String::from_utf8_lossy(text));
            }
            start = end;
        }
        out
    }
}
