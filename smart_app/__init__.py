"""The application: joins the SMART client (launch) to the clinical mappings (fhir_mappings) and serves the pages."""

__version__ = "0.1.0"
