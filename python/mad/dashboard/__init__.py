"""The dashboard in Streamlit: `mad dashboard DIR|FILE|URL`.

`store` reads results from files or a server, `figures` aggregates their rows, `pages` draws, and
`app` is the script that Streamlit runs.
"""
