//! A formula in columns and parameters, in the order in which it is computed.

use super::functions::Function;
use super::jets::{parts, Stack, ROWS};
use super::kernel::{Mean, MeanRows};
use crate::error::CoreError;

/// A step: what it puts on the stack, or does with its uppermost numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// A column by number.
    Column(usize),
    /// A parameter by number.
    Parameter(usize),
    /// A number.
    Number(f64),
    /// The sum of two.
    Add,
    /// Their difference.
    Subtract,
    /// Their product.
    Multiply,
    /// Their ratio.
    Divide,
    /// One raised to the other.
    Power,
    /// The other sign.
    Negate,
    /// A function of one.
    Call(Function),
}

impl Operation {
    /// The operation of a name, with a number that some have.
    pub fn named(name: &str, value: f64) -> Option<Self> {
        Some(match name {
            "column" => Operation::Column(value as usize),
            "parameter" => Operation::Parameter(value as usize),
            "number" => Operation::Number(value),
            "+" => Operation::Add,
            "-" => Operation::Subtract,
            "*" => Operation::Multiply,
            "/" => Operation::Divide,
            "^" => Operation::Power,
            "negate" => Operation::Negate,
            _ => Operation::Call(Function::named(name)?),
        })
    }

    /// By how much the stack grows, and what it needs.
    fn effect(self) -> (isize, usize) {
        match self {
            Operation::Column(_) | Operation::Parameter(_) | Operation::Number(_) => (1, 0),
            Operation::Negate | Operation::Call(_) => (0, 1),
            _ => (-1, 2),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Program {
    steps: Vec<Operation>,
    /// Columns, rows in the caller's order.
    columns: Vec<Vec<f64>>,
    p: usize,
    depth: usize,
}

impl Program {
    /// A formula of p parameters.
    ///
    /// # Errors
    /// Steps that do not leave one number, or that name a column or a parameter which is not there.
    pub fn new(steps: Vec<Operation>, columns: Vec<Vec<f64>>, p: usize) -> Result<Self, CoreError> {
        let (mut held, mut depth) = (0_isize, 0_isize);
        for step in &steps {
            let (grows, needs) = step.effect();
            let known = match step {
                Operation::Column(i) => *i < columns.len(),
                Operation::Parameter(i) => *i < p,
                _ => true,
            };
            if !known || held < needs as isize {
                return Err(CoreError::Shape("the formula of the curve cannot be computed".into()));
            }
            held += grows;
            depth = depth.max(held);
        }
        let even = columns.windows(2).all(|c| c[0].len() == c[1].len());
        if held != 1 || !even {
            return Err(CoreError::Shape("the formula of the curve does not give one number a row".into()));
        }
        Ok(Program { steps, columns, p, depth: depth as usize })
    }
}

impl Mean for Program {
    fn parameters(&self) -> usize {
        self.p
    }

    fn derivatives(&self, rows: MeanRows<'_>, order: usize, out: &mut [f64]) {
        let (n, p) = (rows.order.len(), self.p);
        let size = parts(p, order);
        let mut stack = Stack::new(p, order, self.depth);
        for first in (0..n).step_by(ROWS) {
            let last = (first + ROWS).min(n);
            // a batch that is not full has its last row again
            let row = |r: usize| (first + r).min(last - 1);
            stack.clear();
            for step in &self.steps {
                match *step {
                    Operation::Column(c) => {
                        let column = &self.columns[c];
                        stack.push(std::array::from_fn(|r| column[rows.order[row(r)] as usize]));
                    }
                    Operation::Parameter(i) => {
                        let eta = &rows.eta[i * n..(i + 1) * n];
                        stack.push_parameter(i, std::array::from_fn(|r| eta[row(r)]));
                    }
                    Operation::Number(v) => stack.push([v; ROWS]),
                    Operation::Add => stack.add(1.0),
                    Operation::Subtract => stack.add(-1.0),
                    Operation::Multiply => stack.multiply(),
                    Operation::Divide => stack.divide(),
                    Operation::Power => stack.raise(),
                    Operation::Negate => stack.negate(),
                    Operation::Call(f) => stack.call(f),
                }
            }
            for (c, part) in stack.result().iter().enumerate().take(size) {
                out[c * n + first..c * n + last].copy_from_slice(&part[..last - first]);
            }
        }
    }
}
