"""What users write and read: one pydantic type for each object and part of it. CRDs are generated from these."""
