"""Regular expressions as languages: what one admits that another does not."""
