"""Adapters to what serves models: Ollama, anything that speaks OpenAI's API, and a dry run."""
