"""What tests play on: toy federations, tables of hospitals, aggregators, ceremonies."""
