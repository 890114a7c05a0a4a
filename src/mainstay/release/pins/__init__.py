"""What clients rely on, so that the gate can name whom a candidate would break (N7 O13)."""
