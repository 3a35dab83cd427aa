//! Products of small matrices on one thread.

use gemm::Parallelism;

/// A matrix in somebody else's memory.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row-major values, `columns` per row.
    pub fn rows(values: &'a [f32], columns: usize) -> Self {
        Self {
            values,
            rows: values.len() / columns,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// Rows for columns.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `sum += left · right`, all of it on this thread; `sum` is row-major.
///
/// # Panics
/// If the dimensions do not fit.
pub fn add_product(sum: &mut [f32], left: Matrix<'_>, right: Matrix<'_>) {
    multiply(sum, left, right, true);
}

/// `product = left · right`, all of it on this thread; `product` is row-major.
///
/// # Panics
/// If the dimensions do not fit.
pub fn set_product(product: &mut [f32], left: Matrix<'_>, right: Matrix<'_>) {
    multiply(product, left, right, false);
}

fn multiply(sum: &mut [f32], left: Matrix<'_>, right: Matrix<'_>, add: bool) {
    assert_eq!(left.columns, right.rows, "inner dimensions");
    assert_eq!(sum.len(), left.rows * right.columns, "dimensions of the result");
    // SAFETY: `Matrix` can only be made of a slice of `rows · columns` values (rounded down to whole rows), so
    // both operands are read inside their slices; the asserts above bound the writes to `sum`, which no operand
    // overlaps because it is borrowed mutably.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            sum.as_mut_ptr(),
            1,
            right.columns as isize,
            add,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_equal_those_computed_by_hand() {
        let (left, right) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
        let mut product = [f32::NAN; 4];
        set_product(&mut product, Matrix::rows(&left, 2), Matrix::rows(&right, 2));
        assert_eq!(product, [19.0, 22.0, 43.0, 50.0]);
        add_product(
            &mut product,
            Matrix::rows(&left, 2).transposed(),
            Matrix::rows(&right, 2),
        );
        assert_eq!(product, [19.0 + 26.0, 22.0 + 30.0, 43.0 + 38.0, 50.0 + 44.0]);
    }
}
