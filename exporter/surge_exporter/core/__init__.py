"""Pure: values in, values out; `now` is an argument and no clock is read here."""
