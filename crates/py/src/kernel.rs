//! A family from Python: a function of the responses and the linear predictors.

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::families::{Batch, Derivatives, Extra, Family, Link, MoreDerivatives};
use std::sync::Mutex;

/// What calls Python during a fit, where an exception cannot be raised.
pub(crate) trait Raises: Send + Sync {
    /// The exception that was raised, once.
    fn take_error(&self) -> Option<PyErr>;
}

/// `callable(y, eta)` gives the log-density, constants included, and its first three derivatives in
/// the linear predictor. Prior weights multiply it. There are no extra parameters.
pub(crate) struct PythonFamily {
    callable: Py<PyAny>,
    link: Link,
    error: Mutex<Option<PyErr>>,
}

impl PythonFamily {
    pub(crate) fn new(callable: Py<PyAny>, link: Link) -> Self {
        PythonFamily { callable, link, error: Mutex::new(None) }
    }

    fn call(&self, y: &[f64], eta: &[f64], out: [&mut [f64]; 4]) -> PyResult<()> {
        Python::attach(|py| {
            let result = self.callable.call1(py, (PyArray1::from_slice(py, y), PyArray1::from_slice(py, eta)))?;
            let arrays: [PyReadonlyArray1<'_, f64>; 4] = result.extract(py)?;
            for (array, out) in arrays.iter().zip(out) {
                let values = array.as_array();
                if values.len() != out.len() {
                    return Err(PyValueError::new_err(format!(
                        "the family returned {} values for {} rows",
                        values.len(),
                        out.len()
                    )));
                }
                out.iter_mut().zip(values).for_each(|(o, v)| *o = *v);
            }
            Ok(())
        })
    }
}

impl Raises for PythonFamily {
    fn take_error(&self) -> Option<PyErr> {
        self.error.lock().unwrap_or_else(|e| e.into_inner()).take()
    }
}

impl Family for PythonFamily {
    fn extras(&self) -> &[Extra] {
        &[]
    }

    fn is_canonical(&self) -> bool {
        // there are no expected weights: the determinant is always of the observed ones
        true
    }

    fn derivatives(&self, b: Batch<'_>, out: Derivatives<'_>) {
        let failed = self.error.lock().unwrap_or_else(|e| e.into_inner()).is_some();
        let n = b.eta.len();
        let result = if failed {
            Ok(false)
        } else {
            self.call(&b.y[..n], b.eta, [&mut out.l[..n], &mut out.r[..n], &mut out.wo[..n], &mut out.dwo[..n]])
                .map(|()| true)
        };
        match result {
            Ok(true) => {
                for i in 0..n {
                    let w = b.w[i];
                    out.l[i] *= w;
                    out.r[i] *= w;
                    out.wo[i] *= -w;
                    out.dwo[i] *= -w;
                }
            }
            Ok(false) => out.l[..n].fill(f64::NAN),
            Err(e) => {
                *self.error.lock().unwrap_or_else(|e| e.into_inner()) = Some(e);
                out.l[..n].fill(f64::NAN);
            }
        }
    }

    fn more_derivatives(&self, b: Batch<'_>, out: MoreDerivatives<'_>) {
        // only a step where the observed weights do not do: their absolute values
        let n = b.eta.len();
        let (mut l, mut r, mut dwo) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        self.derivatives(b, Derivatives { l: &mut l, r: &mut r, wo: &mut out.w[..n], dwo: &mut dwo });
        out.w[..n].iter_mut().for_each(|w| *w = if w.is_finite() { w.abs() } else { 1.0 });
        out.dw[..n].fill(0.0);
    }

    fn free_part(&self, _: &[f64], _: &[f64], _: &[f64], _: &mut [f64]) -> f64 {
        0.0
    }

    fn means(&self, eta: &[f64], mu: &mut [f64]) {
        mu.iter_mut().zip(eta).for_each(|(m, &e)| *m = self.link.mean(e));
    }

    fn start(&self, y: &[f64], w: &[f64], eta: &mut [f64]) {
        let total: f64 = w.iter().sum();
        let mean = y.iter().zip(w).map(|(y, w)| y * w).sum::<f64>() / total;
        let mu = match self.link {
            l if l.is_for_probabilities() => mean.clamp(0.05, 0.95),
            Link::Identity => mean,
            _ => mean.abs().max(1e-3),
        };
        eta.fill(self.link.of_mean(mu));
    }

    fn start_extras(&self, _: &[f64], _: &[f64], _: &[f64], _: &mut [f64]) {}

    fn is_scale_free(&self) -> bool {
        self.link.is_scale_free()
    }

    fn has_unit(&self) -> bool {
        self.link.has_unit()
    }

    fn takes_all_rows(&self) -> bool {
        true
    }

    fn failure(&self) -> Option<String> {
        let error = self.error.lock().unwrap_or_else(|e| e.into_inner());
        error.as_ref().map(|e| format!("the family failed: {e}"))
    }
}
