"""Tests of the benchmarks: that they run and measure what they say."""
