"""When to train anew: what staying costs against what training costs (N3 N4)."""
