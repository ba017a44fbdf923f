//! Random numbers of one replicate of a simulation: a stream of its own, found from the seed and
//! the number of the replicate, so that it is the same whichever thread draws it and however many
//! replicates there are.

/// xoshiro256++ of Blackman and Vigna (2021), begun by SplitMix64.
pub struct Rng {
    state: [u64; 4],
    spare: Option<f64>,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea and Flood 2014): a bijection that mixes all bits.
pub(crate) fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// The stream of a replicate.
    pub fn of(seed: u64, replicate: u64) -> Self {
        let mut z = mixed(mixed(seed.wrapping_add(GOLDEN)) ^ mixed(replicate.wrapping_mul(GOLDEN)));
        let state = std::array::from_fn(|_| {
            z = z.wrapping_add(GOLDEN);
            mixed(z)
        });
        Rng { state, spare: None }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let out = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        out
    }

    /// Uniform in the open interval from 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Uniform among `0..n`, by multiplication with rejection (Lemire 2019).
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        loop {
            let product = u128::from(self.bits()) * u128::from(n);
            if product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as usize;
            }
        }
    }

    /// Standard normal, by the polar method of Marsaglia and Bray (1964).
    pub fn normal(&mut self) -> f64 {
        if let Some(v) = self.spare.take() {
            return v;
        }
        loop {
            let (a, b) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = a * a + b * b;
            if s < 1.0 && s > 0.0 {
                let f = (-2.0 * s.ln() / s).sqrt();
                self.spare = Some(b * f);
                return a * f;
            }
        }
    }

    /// Chi-square.
    pub fn chi_square(&mut self, df: usize) -> f64 {
        match df {
            0 => 0.0,
            1 => self.normal().powi(2),
            _ => 2.0 * self.gamma(0.5 * df as f64),
        }
    }

    /// Gamma of a shape of at least 1 and scale 1, by the generator of Marsaglia and Tsang (2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    /// The reference implementation's first outputs from the state 1, 2, 3, 4.
    #[test]
    fn bits_are_those_of_xoshiro256pp() {
        let mut s = Rng { state: [1, 2, 3, 4], spare: None };
        let first: Vec<u64> = (0..4).map(|_| s.bits()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn moments_of_the_distributions() {
        let mut s = Rng::of(7, 0);
        let n = 400_000;
        let (mut m, mut v, mut k) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let x = s.normal();
            m += x;
            v += x * x;
            k += x.powi(4);
        }
        let n = n as f64;
        assert!((m / n).abs() < 5.0 / n.sqrt());
        assert!((v / n - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!((k / n - 3.0).abs() < 5.0 * (96.0 / n).sqrt());
        for df in [1, 2, 3, 10, 1000] {
            let f = df as f64;
            let draws: Vec<f64> = (0..100_000).map(|_| s.chi_square(df)).collect();
            let mean = draws.iter().sum::<f64>() / 1e5;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5;
            assert!((mean - f).abs() < 5.0 * (2.0 * f / 1e5).sqrt(), "{df}: {mean}");
            // fourth central moment 12 df (df + 4)
            let spread = ((12.0 * f * (f + 4.0) - 4.0 * f * f) / 1e5).sqrt();
            assert!((variance - 2.0 * f).abs() < 5.0 * spread, "{df}: {variance}");
        }
    }

    #[test]
    fn every_level_is_equally_likely() {
        let mut s = Rng::of(1, 2);
        let mut count = [0usize; 7];
        (0..70_000).for_each(|_| count[s.below(7)] += 1);
        let chi: f64 = count.iter().map(|&c| (c as f64 - 1e4).powi(2) / 1e4).sum();
        assert!(chi < 30.0, "{count:?}");
    }

    #[test]
    fn streams_differ_by_seed_and_replicate() {
        let first = |seed, replicate| Rng::of(seed, replicate).bits();
        assert_eq!(first(3, 5), first(3, 5));
        assert_ne!(first(3, 5), first(5, 3));
        assert_ne!(first(3, 5), first(3, 6));
        assert_ne!(first(0, 0), first(1, 0));
    }
}
