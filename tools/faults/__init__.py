"""The parts of tools/fault_campaign.py, one file for each kind of fault."""
