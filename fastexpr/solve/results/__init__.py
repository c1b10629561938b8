"""What is said of a solution: reports, pictures, and a check that shares nothing with the solve."""
