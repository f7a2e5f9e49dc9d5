//! How QGIS draws the layer at once: outlines, labelled with the captions.

/// Outlines alone, for programs that read styled layer descriptors.
pub(super) const SLD: &str = r##"<?xml version="1.0" encoding="UTF-8"?>
<StyledLayerDescriptor xmlns="http://www.opengis.net/sld" xmlns:ogc="http://www.opengis.net/ogc" version="1.0.0">
<NamedLayer><Name>captions</Name><UserStyle><FeatureTypeStyle><Rule>
<PolygonSymbolizer><Stroke><CssParameter name="stroke">#ffb000</CssParameter></Stroke></PolygonSymbolizer>
<TextSymbolizer><Label><ogc:PropertyName>caption</ogc:PropertyName></Label></TextSymbolizer>
</Rule></FeatureTypeStyle></UserStyle></NamedLayer></StyledLayerDescriptor>"##;

/// QGIS's own style: the caption of each tile, wrapped, where it fits into its polygon.
pub(super) const QML: &str = r#"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.28" styleCategories="Symbology|Labeling" labelsEnabled="1">
<renderer-v2 type="singleSymbol" symbollevels="0" enableorderby="0" forceraster="0">
<symbols><symbol type="fill" name="0" alpha="1" clip_to_extent="1" force_rhr="0">
<layer class="SimpleLine" enabled="1" locked="0" pass="0"><Option type="Map">
<Option type="QString" name="line_color" value="255,176,0,255"/>
<Option type="QString" name="line_style" value="solid"/>
<Option type="QString" name="line_width" value="0.3"/>
<Option type="QString" name="line_width_unit" value="MM"/>
</Option></layer></symbol></symbols></renderer-v2>
<labeling type="simple"><settings calloutType="simple">
<text-style fieldName="caption" isExpression="0" fontFamily="Sans Serif" fontSize="8" fontSizeUnit="Point"
 textColor="0,0,0,255" textOpacity="1" multilineHeight="1" multilineHeightUnit="Percentage">
<text-buffer bufferDraw="1" bufferSize="0.8" bufferSizeUnits="MM" bufferColor="255,255,255,255" bufferOpacity="1"/>
</text-style>
<text-format autoWrapLength="24" multilineAlign="1" useMaxLineLengthForAutoWrap="1" wrapChar=""/>
<placement placement="1" centroidInside="1" fitInPolygonOnly="0" priority="5"/>
<rendering drawLabels="1" obstacle="0" scaleVisibility="0"/>
</settings></labeling>
</qgis>"#;
