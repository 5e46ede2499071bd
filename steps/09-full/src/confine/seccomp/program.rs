//! Programs for the kernel's small virtual machine (classic BPF: one register A, jumps forwards
//! only).

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter,
};

/// A program that is written from its end to its beginning, so that every jump leads to what is
/// written already.
#[derive(Default)]
pub struct Program {
    backwards: Vec<sock_filter>,
}

/// An instruction, counted from the end.
#[derive(Clone, Copy)]
pub struct Label(usize);

impl Program {
    /// The program from its beginning.
    pub fn finish(mut self) -> Vec<sock_filter> {
        self.backwards.reverse();
        self.backwards
    }

    /// Ends with this verdict (SECCOMP_RET_…).
    pub fn ret(&mut self, verdict: u32) -> Label {
        self.push(BPF_RET | BPF_K, verdict, 0, 0)
    }

    /// Loads the 32 bits at this offset of the call's description (seccomp_data) into A.
    pub fn load(&mut self, offset: usize, then: Label) -> Label {
        self.fall_through(then);
        self.push(BPF_LD | BPF_W | BPF_ABS, offset as u32, 0, 0)
    }

    /// Keeps these bits of A.
    pub fn and(&mut self, mask: u32, then: Label) -> Label {
        self.fall_through(then);
        self.push(BPF_ALU | BPF_AND | BPF_K, mask, 0, 0)
    }

    /// Compares A with a value: BPF_JEQ (equal), BPF_JGE (not below), BPF_JSET (a bit in common).
    pub fn branch(&mut self, test: u32, value: u32, yes: Label, no: Label) -> Label {
        let (yes, no) = (self.near(yes), self.near(no));
        let (yes, no) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.push(BPF_JMP | test | BPF_K, value, yes, no)
    }

    /// The next instruction written comes right before `then`.
    fn fall_through(&mut self, then: Label) {
        if self.distance(then) > 0 {
            self.jump(then);
        }
    }

    /// A place that a branch can reach, whose distances have 8 bits: `target`, or a long jump to
    /// it. One less, because the branch's other target may bring another long jump in between.
    fn near(&mut self, target: Label) -> Label {
        if self.distance(target) < u8::MAX as usize { target } else { self.jump(target) }
    }

    fn jump(&mut self, target: Label) -> Label {
        self.push(BPF_JMP | BPF_JA, self.distance(target) as u32, 0, 0)
    }

    /// How many instructions lie between the next one written and `target`.
    fn distance(&self, target: Label) -> usize {
        self.backwards.len() - 1 - target.0
    }

    fn push(&mut self, code: u32, k: u32, jt: u8, jf: u8) -> Label {
        self.backwards.push(sock_filter { code: code as u16, jt, jf, k });
        Label(self.backwards.len() - 1)
    }
}
