"""Compare the products in tiles with the peak of fused multiply-adds, and with SciPy's BLAS.

Compiles the kernels of ``_kernels/network/tiles.h`` with cc and times the three products of a layer
(forward, backward, gradient) as a training step calls them, in processor time, on one thread. The
peak is a loop of multiply-adds that touches registers alone, run beside each product. BLAS computes
the bare products, ours also the biases, relu and the mask of its slope. The table has shares of the
peak, medians over rounds. Run ``python benchmarks/products.py``.
"""

import argparse
import ctypes
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.linalg.blas import get_blas_funcs
from threadpoolctl import threadpool_limits

import sklearn_metabp

HERE = Path(__file__).parent
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-shared", "-fPIC"]
LAYERS = (  # rows, inputs, neurons
    "32x4x10 32x64x64 200x64x100 200x100x10 128x128x500 256x256x128 1024x256x256 256x512x512 "
    "128x784x1024"
)


def compiled(folder: str) -> ctypes.CDLL:
    """Return the kernels as a library."""
    library = Path(folder) / "products.so"
    headers = Path(sklearn_metabp.__file__).parent / "_kernels"
    sources = [HERE / "products.c", HERE / "fma_peak.c"]
    command = ["cc", *FLAGS, f"-I{headers}", f"-I{HERE}", "-o", library, *sources, "-lm"]
    subprocess.run([str(part) for part in command], check=True)
    functions = ctypes.CDLL(str(library))
    functions.run_peak.restype = ctypes.c_double
    functions.scratch_of.restype = ctypes.c_int64
    functions.name_of.restype = ctypes.c_char_p
    return functions


def layer_products(kernels, target: int, dtype, n: int, fan_in: int, width: int, rows: int) -> dict:
    """Return the three products of a layer, by tiles and by BLAS."""
    rng = np.random.default_rng(0)
    shapes = [(n, fan_in), (fan_in, width), (width,), (n, width)]
    x, weights, biases, deltas = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    out, sent, gradient = np.empty_like(deltas), np.empty_like(x), np.empty_like(weights)
    is_double = int(np.dtype(dtype) == np.float64)
    head = [target, is_double, *(ctypes.c_int64(size) for size in (n, width, fan_in))]
    step = ctypes.c_int64(rows)
    scratch = np.empty(kernels.scratch_of(*head, step) + 64, dtype)

    def call(function, arrays, *numbers):
        arrays = (*arrays, scratch)  # kept alive with the product

        def product(arrays=arrays):
            function(*arguments)

        pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        arguments = [*head, *numbers, *pointers]
        return product

    gemm = get_blas_funcs("gemm", dtype=dtype)  # columns come first, so all is transposed

    def blas(a, b, result):
        def product():
            left, right = ((m, 0) if m.flags.f_contiguous else (m.T, 1) for m in (b.T, a.T))
            gemm(1, left[0], right[0], 0, result.T, left[1], right[1], overwrite_c=1)

        return product

    return {
        "forward": call(kernels.forward, (x, weights, biases, out)),
        "backward": call(kernels.backward, (deltas, weights, x, sent)),
        "gradient": call(kernels.gradient, (x, deltas, gradient), step),
        "BLAS forward": blas(x, weights, np.empty_like(out)),
        "BLAS backward": blas(deltas, weights.T, np.empty_like(sent)),
        "BLAS gradient": blas(x.T, deltas, np.empty_like(gradient)),
    }


def seconds(function, n_calls: int) -> float:
    """Return the processor time of a call."""
    start = time.process_time()
    for _ in range(n_calls):
        function()
    return (time.process_time() - start) / n_calls


def main(layers: list[str], n_rounds: int, rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kernels = compiled(folder)
    target = kernels.best_target()
    print(f"instruction set: {kernels.name_of(target).decode()}")
    for dtype in (np.float64, np.float32):
        is_double = int(dtype == np.float64)
        title = f"{np.dtype(dtype).name} (rows x inputs x neurons)"
        for number, layer in enumerate(layers):
            n, fan_in, width = (int(size) for size in layer.split("x"))
            products = layer_products(kernels, target, dtype, n, fan_in, width, rows)
            if number == 0:
                print(f"\n{title:<36}" + "".join(f"{name:>15}" for name in products))
            n_operations = 2.0 * n * fan_in * width
            n_calls = int(4e6 / n_operations) + 1
            shares: dict[str, list[float]] = {name: [] for name in products}
            a_loop = kernels.run_peak(target, is_double, ctypes.c_int64(1))
            n_loops = ctypes.c_int64(int(n_operations * n_calls / a_loop) + 1)
            for _ in range(n_rounds):
                for name, product in products.items():
                    time_of_product = seconds(product, n_calls)
                    start = time.process_time()
                    operations = kernels.run_peak(target, is_double, n_loops)
                    per_operation = (time.process_time() - start) / operations
                    shares[name].append(n_operations * per_operation / time_of_product)
            print(f"{layer:<36}" + "".join(f"{np.median(s):>15.2f}" for s in shares.values()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", nargs="*", default=LAYERS.split())
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--gradient-rows", type=int, default=24, help="rows of the weights a call")
    arguments = parser.parse_args()
    with threadpool_limits(1):
        main(arguments.layers, arguments.rounds, arguments.gradient_rows)
