#!/usr/bin/env python3
"""Has several processes work out a sum."""

import multiprocessing


def square(number: int) -> int:
    return number * number


if __name__ == "__main__":
    print("20 text/plain", flush=True)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(sum(pool.map(square, range(100))), flush=True)
    queue = multiprocessing.Queue()
    child = multiprocessing.Process(target=queue.put, args=("from a child",))
    child.start()
    print(queue.get())
    child.join()
