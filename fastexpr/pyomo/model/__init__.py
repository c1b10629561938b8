"""What is put into a Pyomo model: blocks of networks, labels, guards; and their starting values."""
